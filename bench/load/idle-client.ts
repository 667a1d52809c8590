import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { answering } from '../harness/answering.ts'
import type { Answer, Question } from '../harness/children.ts'
import { writeHead } from './head.ts'

// Holds connections that have exchanged a few bytes and are silent since.
/** Dialed at once: below every backlog. */
const atOnce = 100
const scratch = Buffer.allocUnsafeSlow(4 * 1024)
const held: Socket[] = []
answering({}, run)

/** `open` more connections; `open` 0 closes all. Answers how many are held. */
async function run({ open, host, port }: Question): Promise<Answer> {
  if (open === 0) await release()
  for (let left = Number(open); left > 0; left -= atOnce) {
    const some = Array.from({ length: Math.min(left, atOnce) }, () => hold(String(host), Number(port)))
    held.push(...(await Promise.all(some)))
  }
  return { held: held.length }
}

function hold(host: string, port: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const callback = (): boolean => {
    resolve(socket)
    return true
  }
  const socket = connect({ host, port, noDelay: true, onread: { buffer: scratch, callback } })
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('an idle connection was closed before its echo')))
  socket.write(writeHead({ wish: 'echo', bytes: 0 }))
  return promise
}

async function release(): Promise<void> {
  await Promise.all(
    held.splice(0).map(async (socket) => {
      if (socket.destroyed) return
      const closed = once(socket, 'close')
      socket.end()
      await closed
    }),
  )
}
