import { connect, type Socket } from 'node:net'
import { answering } from '../harness/answering.ts'
import type { Answer, Question } from '../harness/children.ts'
import { Latencies } from './latencies.ts'

// A connection a request over bare sockets: one write, read to the server's FIN, FIN back. autocannon spends three times
// as much of its core on each, and would be what is measured.
const latencies = new Latencies()
/** Nobody looks at the bytes, only at how many there are. */
const scratch = Buffer.allocUnsafeSlow(4 * 1024)
const request = Buffer.from('GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n')
answering({}, run)

async function run({ host, port, seconds, connections }: Question): Promise<Answer> {
  latencies.clear()
  const startMs = performance.now()
  const endMs = startMs + Number(seconds) * 1000
  let count = 0
  let failed = 0
  const lane = async (): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < endMs; nowMs = performance.now()) {
      if (await exchange(String(host), Number(port))) count++
      else failed++
      latencies.add(performance.now() - nowMs)
    }
  }
  await Promise.all(Array.from({ length: Number(connections) }, lane))
  return { count, failed, seconds: (performance.now() - startMs) / 1000, ...latencies.summary() }
}

/** True when an answer came, and then a clean end. */
function exchange(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  let answered = 0
  const callback = (count: number): boolean => {
    answered += count
    return true
  }
  const socket: Socket = connect({ host, port, noDelay: true, onread: { buffer: scratch, callback } })
  socket.write(request)
  socket.on('error', () => resolve(false))
  socket.on('close', () => resolve(answered > 0)) // after an error it is settled already
  return promise
}
