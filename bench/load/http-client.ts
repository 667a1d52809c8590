import type { EventEmitter } from 'node:events'
import autocannon from 'autocannon'
import { answering } from '../harness/answering.ts'
import type { Answer, Question } from '../harness/children.ts'
import { Latencies } from './latencies.ts'

// HTTP load by autocannon, which stays warm from one question to the next.
const latencies = new Latencies()
answering({}, run)

/** `mode`: keep-alive, or reconnect for a connection a request. */
function run({ mode, host, port, seconds, connections, sampleMs }: Question): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  latencies.clear()
  const options = {
    url: `http://${host}:${port}/`,
    connections: Number(connections),
    duration: Number(seconds),
    sampleInt: Number(sampleMs),
  }
  const reconnecting = { ...options, reconnectRate: 1, setupClient: countReconnects }
  const startMs = performance.now()
  const running = autocannon(mode === 'reconnect' ? reconnecting : options, (error, result) => {
    if (error !== null) return reject(error)
    const { errors, timeouts, non2xx, requests } = result
    const seconds = (performance.now() - startMs) / 1000
    const table = autocannon.printResult(result)
    resolve({
      count: requests.total,
      failed: errors + timeouts + non2xx,
      seconds,
      table,
      ...latencies.summary(),
    })
  })
  running.on('response', (_client: unknown, _status: unknown, _bytes: unknown, ms: number) =>
    latencies.add(ms),
  )
  return promise
}

/**
 * autocannon 9 counts no answer after which it connects again, so with reconnectRate 1 it counts none at all: told here,
 * with the time since the connection was begun.
 */
function countReconnects(client: EventEmitter): void {
  let sentMs = performance.now()
  client.on('request', () => {
    sentMs = performance.now()
  })
  client.on('headers', ({ statusCode }: { statusCode: number }) => {
    client.emit('response', statusCode, 0, performance.now() - sentMs)
  })
}
