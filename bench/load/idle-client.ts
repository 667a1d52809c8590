import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { answering } from '../harness/answering.ts'
import type { Answer, Question } from '../harness/children.ts'
import { writeHead } from './head.ts'

// Holds connections that have exchanged a few bytes and are silent since, or that are sent much and read nothing of it.
/** Dialed at once: below every backlog. */
const atOnce = 100
const flood = 1024 ** 3
const scratch = Buffer.allocUnsafeSlow(4 * 1024)
const held: Socket[] = []
const flooded = new WeakSet<Socket>()
answering({}, run)

/** `open` more connections, `unread` or idle ones; `open` 0 closes all. Answers how many are held. */
async function run({ open, unread, host, port }: Question): Promise<Answer> {
  if (open === 0) await release()
  for (let left = Number(open); left > 0; left -= atOnce) {
    const some = Array.from({ length: Math.min(left, atOnce) }, () =>
      hold(String(host), Number(port), unread === 1),
    )
    held.push(...(await Promise.all(some)))
  }
  return { held: held.length }
}

function hold(host: string, port: number, unread: boolean): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const callback = (): boolean => {
    resolve(socket)
    return !unread
  }
  const socket = connect({ host, port, noDelay: true, onread: { buffer: scratch, callback } })
  if (unread) flooded.add(socket)
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('an idle connection was closed before its echo')))
  socket.write(writeHead(unread ? { wish: 'down', bytes: flood } : { wish: 'echo', bytes: 0 }))
  return promise
}

async function release(): Promise<void> {
  await Promise.all(
    held.splice(0).map(async (socket) => {
      if (socket.destroyed) return
      const closed = once(socket, 'close')
      if (flooded.has(socket)) socket.resetAndDestroy()
      else socket.end()
      await closed
    }),
  )
}
