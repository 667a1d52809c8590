import { once } from 'node:events'
import { connect } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { Forwarder, type ForwarderOptions, type PlaneName, usualListener } from '../helpers/forwarder.ts'
import { Backend, dialPeer, echo } from '../helpers/peer.ts'

const limit = 6

async function start(t: ExecutionContext, plane: PlaneName, options: Partial<ForwarderOptions> = {}) {
  const backend = await Backend.start({ onPeer: echo })
  const forwarder = await Forwarder.start({ plane, endpoints: [backend.port], ...options })
  t.teardown(async () => {
    await forwarder.app.stop()
    await backend.close()
  })
  return { forwarder, backend }
}

/** One client: a word there and back. Rejects when it is reset. */
async function visit(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.write('word')
  await once(socket, 'data')
  socket.end()
  await once(socket.resume(), 'close')
}

const listener = usualListener
const cases: readonly (readonly [string, Partial<ForwarderOptions>])[] = [
  ['of the program, one worker', { workers: 1, config: { limits: { connections: limit } } }],
  ['of the program, three workers', { workers: 3, config: { limits: { connections: limit } } }],
  ['of the listener, three workers', { workers: 3, maxConnections: limit }],
  [
    'of the program, two listeners',
    {
      workers: 2,
      config: {
        limits: { connections: limit },
        listeners: [
          { ...listener, name: 'main' },
          { ...listener, name: 'other' },
        ],
      },
    },
  ],
]

for (const [title, options] of cases) {
  test.serial(`splice: of 400 clients at the limit nobody is reset: ${title}`, async (t) => {
    const { forwarder } = await start(t, 'splice', options)
    const ports = [forwarder.port]
    if (forwarder.app.address('other') !== undefined) ports.push(forwarder.portOf('other'))
    let left = 400
    const worker = async (n: number): Promise<void> => {
      while (left-- > 0) await visit(ports[n % ports.length] ?? 0)
    }
    // Five times as many as there is room for, all the time.
    await t.notThrowsAsync(Promise.all(Array.from({ length: 5 * limit }, (_, n) => worker(n))))
    const { text } = await forwarder.app.metrics()
    t.notRegex(text, /^spliceway_connections_rejected_total\{[^}]*\} [1-9]/m)
  })
}

for (const plane of ['splice', 'net'] as const) {
  test.serial(
    `${plane}: being full shows in the status, /readyz, and the metrics, and is over when it is`,
    async (t) => {
      const { forwarder, backend } = await start(t, plane, { config: { limits: { connections: 2 } } })
      t.is(await forwarder.metric('spliceway_connections_limit'), 2)
      t.true(forwarder.app.ready().ok)
      const clients = [await dialPeer(forwarder.port), await dialPeer(forwarder.port)]
      await backend.accept()
      await backend.accept()
      const third = await dialPeer(forwarder.port)
      await forwarder.line(/^the program: its connection limit is reached/)
      t.deepEqual(forwarder.app.ready(), {
        ok: false,
        reasons: ['the program is at its limit of 2 connections (limits.connections)'],
      })
      t.is(forwarder.app.status().listeners[0]?.full, 'limit')
      t.is(await forwarder.metric('spliceway_listeners_held{listener="main"}'), plane === 'splice' ? 1 : 0)
      third.reset()
      for (const client of clients) client.reset()
      await forwarder.until(() => forwarder.app.ready().ok)
      await forwarder.line(/^the program: below its connection limit again/)
      t.is(await forwarder.metric('spliceway_listeners_held{listener="main"}'), 0)
    },
  )

  test.serial(`${plane}: the limit of a listener is named, and the other listener has room`, async (t) => {
    const { forwarder, backend } = await start(t, plane, {
      config: {
        listeners: [
          { ...listener, name: 'main', maxConnections: 1 },
          { ...listener, name: 'other' },
        ],
      },
    })
    const first = await dialPeer(forwarder.port)
    await backend.accept()
    // The net plane may have reset it before it knows that it is connected.
    const second = connect(forwarder.port, '127.0.0.1').on('error', () => {})
    await forwarder.line(/^listener main: its connection limit is reached: .*\(limit 1, by maxConnections\)/)
    t.deepEqual(forwarder.app.ready(), {
      ok: true,
      reasons: ['listener main is at its limit of 1 connections (maxConnections)'],
    })
    await visit(forwarder.portOf('other'))
    first.reset()
    second.destroy()
  })
}
