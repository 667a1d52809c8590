import { connect } from 'node:net'
import { answering } from '../harness/answering.ts'
import type { Answer, Question } from '../harness/children.ts'
import { type Head, writeHead } from './head.ts'
import { sendBytes } from './send-bytes.ts'

// Moves bytes to or from tcp-server.ts and checks that all of them arrived.
/** Everyone reads into this one: bytes are counted, not looked at. */
const scratch = Buffer.allocUnsafeSlow(256 * 1024)
/** A slow reader rests after each so many bytes. */
const restEvery = 1024 * 1024
answering({}, run)

/** `wish` up or down, `bytes` a connection; `restMs` above 0 makes a slow reader. */
async function run({ wish, host, port, bytes, connections, restMs = 0 }: Question): Promise<Answer> {
  const startMs = performance.now()
  const head: Head = { wish: wish === 'up' ? 'up' : 'down', bytes: Number(bytes) }
  const target = { host: String(host), port: Number(port), restMs: Number(restMs) }
  const each = await Promise.all(Array.from({ length: Number(connections) }, () => transfer(head, target)))
  const total = each.reduce((sum, count) => sum + count, 0)
  if (total !== head.bytes * each.length)
    throw new Error(`${total} bytes arrived of ${head.bytes * each.length}`)
  return { bytes: total, seconds: (performance.now() - startMs) / 1000 }
}

/** Resolves to the bytes that arrived at whoever was to receive them. */
function transfer(
  head: Head,
  { host, port, restMs }: { readonly host: string; readonly port: number; readonly restMs: number },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let received = 0
  let reply = Buffer.alloc(0)
  let untilRest = restEvery
  const callback = (count: number): boolean => {
    received += count
    if (head.wish === 'up') reply = Buffer.concat([reply, scratch.subarray(0, count)])
    untilRest -= count
    if (restMs === 0 || untilRest > 0) return true
    untilRest = restEvery
    setTimeout(() => socket.resume().read(0), restMs)
    return false
  }
  const onread = { buffer: scratch, callback }
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true, onread })
  socket.on('error', reject)
  socket.on('end', () => {
    if (head.wish === 'down') socket.end()
  })
  socket.on('close', () => {
    if (head.wish === 'down') resolve(received)
    else if (reply.length === 8) resolve(Number(reply.readBigUInt64BE()))
    else reject(new Error('an upload ended without its count'))
  })
  socket.write(writeHead(head))
  if (head.wish === 'up') sendBytes(socket, head.bytes)
  return promise
}
