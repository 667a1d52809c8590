import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { socketAddress } from '../../../src/core/address.ts'
import { createNetPlane } from '../../../src/plane/net/net.ts'
import type { NetWire } from '../../../src/plane/net/wire.ts'
import type { Dialed } from '../../../src/plane/plane.ts'

/** A server on a thread of its own: says `words` to each connection and resets it, and counts how many it has. */
const abrupt = `
  const { workerData, parentPort } = require('node:worker_threads')
  const server = require('node:net').createServer((socket) => {
    if (workerData.words !== '') socket.write(workerData.words)
    socket.on('close', () => { Atomics.add(workerData.gone, 0, 1); Atomics.notify(workerData.gone, 0) })
    socket.resetAndDestroy()
  })
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

/** Dials it, and lets libuv look only when the reset is here. */
async function dialLate(words: string): Promise<{ dialed: Dialed<NetWire>; reset: Promise<void> }> {
  const gone = new Int32Array(new SharedArrayBuffer(4))
  const server = new Worker(abrupt, { eval: true, workerData: { words, gone } })
  const [port] = await once(server, 'message')
  const endpoint = socketAddress('127.0.0.1', port)
  if (endpoint === undefined) throw new Error('no address')
  const plane = createNetPlane({ sight: null, tune: null, takeError: null })
  const reset = Promise.withResolvers<void>()
  const dialing = new Promise<Dialed<NetWire>>((resolve) => {
    plane.dial(endpoint, { source: null, transparent: false, group: 'main', forClient: true }, (dialed) => {
      if (dialed.kind === 'connected') dialed.wire.onReset(() => reset.resolve())
      resolve(dialed)
    })
  })
  // Node connects in the next tick; from then on this thread looks at nothing until the server has closed.
  process.nextTick(() => process.nextTick(() => void Atomics.wait(gone, 0, 0, 10_000)))
  const dialed = await dialing
  await server.terminate()
  return { dialed, reset: reset.promise }
}

test('a dial that was answered and reset before libuv looked hands over what came in between', async (t) => {
  const { dialed, reset } = await dialLate('too many clients')
  if (dialed.kind === 'failed') return t.fail(dialed.code)
  const { wire } = dialed
  const { bytes, ended } = await new Promise<{ bytes: Uint8Array; ended: boolean }>((resolve) => {
    wire.peek(1, (bytes, ended) => resolve({ bytes, ended }))
  })
  t.is(Buffer.from(bytes).toString(), 'too many clients')
  t.false(ended)
  await reset
})

test('the same dial without a byte has failed, and may be made elsewhere', async (t) => {
  const { dialed } = await dialLate('')
  t.deepEqual(dialed, { kind: 'failed', code: 'ECONNRESET' })
})
