import test, { type ExecutionContext } from 'ava'
import type { Loaded } from '../../src/app.ts'
import type { Config } from '../../src/config/config.ts'

import { parseConfig } from '../../src/config/parse.ts'
import { configOf, Forwarder, type ForwarderOptions, usualListener } from '../helpers/forwarder.ts'

import { Backend, closedPort, dialPeer, echo, turnedAway } from '../helpers/peer.ts'

/** A program whose configuration the test can change and reload. */
async function scene(t: ExecutionContext, options: Partial<ForwarderOptions> = {}) {
  const backend = await Backend.start({ onPeer: echo })
  const all = { plane: 'net', endpoints: [backend.port], ...options } as const
  const state: { next: Loaded | Error } = { next: { kind: 'invalid', message: 'not set' } }
  const load = () => {
    if (state.next instanceof Error) throw state.next
    return state.next
  }
  const source = { name: 'edge.yaml', load }
  const forwarder = await Forwarder.start({ ...all, source })
  const config = configOf(all)
  const reload = (changes: Partial<Config>) => {
    state.next = { kind: 'ok', config: { ...config, ...changes }, warnings: [] }
    return forwarder.app.reload()
  }
  t.teardown(async () => {
    await backend.close()
    await forwarder.close()
  })
  return { forwarder, backend, config, reload, state }
}

async function talk(port: number): Promise<string> {
  const client = await dialPeer(port)
  client.end('hi')
  return (await client.readAll()).bytes.toString()
}

test('an unchanged listener keeps its port and its connections while others come and go', async (t) => {
  const { forwarder, config, reload } = await scene(t)
  const { port } = forwarder
  const kept = await dialPeer(port)
  await kept.write('a')
  await kept.read(1)
  const [main] = config.listeners
  if (main === undefined) return t.fail()
  t.true((await reload({ listeners: [main, { ...main, name: 'second' }] })).ok)
  const second = forwarder.portOf('second')
  t.is(await talk(second), 'hi')
  t.true((await reload({ listeners: [main] })).ok)
  await t.throwsAsync(dialPeer(second), { message: /ECONNREFUSED/ })
  t.is(forwarder.port, port)
  await kept.write('b')
  t.is((await kept.read(1)).toString(), 'b')
  kept.end()
  await kept.ended()
})

test('a connection through a listener that was removed lives on', async (t) => {
  const { forwarder, config, reload } = await scene(t)
  const [main] = config.listeners
  if (main === undefined) return t.fail()
  await reload({ listeners: [main, { ...main, name: 'second' }] })
  const client = await dialPeer(forwarder.portOf('second'))
  await client.write('a')
  await client.read(1)
  await reload({ listeners: [main] })
  await client.write('b')
  t.is((await client.read(1)).toString(), 'b')
  client.end()
  t.is(await client.ended(), 'fin')
  t.is((await forwarder.outcome()).listener, 'second')
})

test('a configuration that is not valid changes nothing, says so and is counted', async (t) => {
  const { forwarder, state } = await scene(t)
  state.next = { kind: 'invalid', message: 'error: unknown key' }
  t.deepEqual(await forwarder.app.reload(), { ok: false, message: 'error: unknown key' })
  await forwarder.line(/configuration not reloaded, nothing has changed:\nerror: unknown key/)
  t.is(await forwarder.metric('spliceway_config_last_reload_successful'), 0)
  t.is(await talk(forwarder.port), 'hi')
})

test('what only a restart can change is refused by name, and nothing else is applied either', async (t) => {
  const { forwarder, reload } = await scene(t)
  const answer = await reload({ workers: 3, pools: [], listeners: [] })
  t.deepEqual(answer, { ok: false, message: 'only a restart can change `workers`' })
  t.is(await talk(forwarder.port), 'hi')
})

test('of `admin`, `hosts` and `readyRequires` are applied, and the places need a restart', async (t) => {
  const { forwarder, config, reload } = await scene(t)
  const { admin } = config
  t.true((await reload({ admin: { ...admin, hosts: ['edge.example'], readyRequires: ['none'] } })).ok)
  t.deepEqual(forwarder.app.hosts(), ['edge.example'])
  t.deepEqual(forwarder.app.ready(), { ok: false, reasons: ['pool none has no usable endpoint'] })
  const listen = { host: '127.0.0.1', port: 1 }
  for (const change of [{ listen }, { socket: { kind: 'path', path: '/run/other.sock' } as const }]) {
    const answer = await reload({ admin: { ...admin, ...change } })
    t.deepEqual(answer, { ok: false, message: 'only a restart can change `admin`' })
  }
})

test('when one new listener cannot be bound, none is, and nothing changes', async (t) => {
  const { forwarder, config, reload } = await scene(t)
  const [main] = config.listeners
  if (main === undefined) return t.fail()
  const holder = await Backend.start()
  t.teardown(() => holder.close())
  const taken = { ...main, name: 'taken', port: holder.port }
  const answer = await reload({ listeners: [{ ...main, name: 'free' }, taken] })
  t.false(answer.ok)
  t.regex(answer.message, /the port is taken/)
  t.is(forwarder.app.status().listeners.length, 1)
  t.is(await talk(forwarder.port), 'hi')
})

test('a removed endpoint gets no new connections; existing ones are kept', async (t) => {
  const { forwarder, config, reload } = await scene(t)
  const other = await Backend.start({ onPeer: (peer) => peer.end('other') })
  const kept = await dialPeer(forwarder.port)
  await kept.write('a')
  await kept.read(1)
  const [pool] = config.pools
  if (pool === undefined) return t.fail()
  const endpoint = { host: '127.0.0.1', port: other.port, priority: 0, weight: 1, maxConnections: null }
  t.true((await reload({ pools: [{ ...pool, endpoints: [endpoint] }] })).ok)
  t.is(await talk(forwarder.port), 'other')
  await kept.write('b')
  t.is((await kept.read(1)).toString(), 'b')
  kept.end()
  await kept.ended()
  await other.close()
})

for (const plane of ['net', 'splice'] as const) {
  test(`onRemoval: close ends the connections of a removed endpoint with FIN, on the ${plane} plane`, async (t) => {
    const { forwarder, config, reload } = await scene(t, { plane, pool: { onRemoval: 'close' } })
    const other = await Backend.start({ onPeer: (peer) => peer.end('other') })
    const client = await dialPeer(forwarder.port)
    await client.write('a')
    await client.read(1)
    const [pool] = config.pools
    if (pool === undefined) return t.fail()
    const endpoint = { host: '127.0.0.1', port: other.port, priority: 0, weight: 1, maxConnections: null }
    await reload({ pools: [{ ...pool, endpoints: [endpoint] }] })
    t.is(await client.ended(), 'fin')
    client.end()
    const outcome = await forwarder.outcome()
    t.is(outcome.cause, 'admin')
    t.deepEqual(outcome.closed, { first: 'proxy', how: 'fin' })
    await other.close()
  })
}

test('a listener that gets another name keeps its port', async (t) => {
  const backend = await Backend.start({ onPeer: echo })
  const probe = await Backend.start()
  const { port } = probe
  await probe.close()
  const { forwarder, config, reload } = await scene(t, {
    config: { listeners: [{ ...usualListener, name: 'old', port }] },
  })
  t.is(await talk(port), 'hi')
  const [listener] = config.listeners
  if (listener === undefined) return t.fail()
  t.true((await reload({ listeners: [{ ...listener, name: 'new', maxConnections: 1 }] })).ok)
  t.is(await talk(port), 'hi')
  t.is((await forwarder.outcome()).listener, 'old')
  t.is((await forwarder.outcome()).listener, 'new')
  await backend.close()
})

test('while it drains in a hurry, a reload is refused and new connections are turned away', async (t) => {
  const { forwarder, reload } = await scene(t)
  const kept = await dialPeer(forwarder.port)
  const { port } = forwarder
  await forwarder.until(() => forwarder.app.status().connections.active === 1)
  forwarder.app.drain(true)
  await forwarder.line(/accepting has stopped/)
  t.deepEqual(await reload({}), { ok: false, message: 'the program is draining' })
  t.is(await turnedAway(port), 'rst')
  kept.end()
  await kept.ended()
})

test('a reload that a drain overtakes is answered, and so is the next one', async (t) => {
  const { forwarder, config, reload } = await scene(t)
  const [main] = config.listeners
  if (main === undefined) return t.fail()
  const first = reload({ listeners: [main, { ...main, name: 'second' }] })
  await Promise.resolve() // it has bound, and waits for the workers
  forwarder.app.drain()
  t.is(typeof (await first).ok, 'boolean')
  t.false((await reload({})).ok)
})

test('a socket that is on its way to a worker that dies is not left open', async (t) => {
  const { forwarder, config, reload } = await scene(t, { plane: 'splice' })
  const [main] = config.listeners
  if (main === undefined) return t.fail()
  const port = await closedPort()
  forwarder.app.breakWorker(1)
  t.true((await reload({ listeners: [main, { ...main, name: 'second', port }] })).ok)
  await forwarder.line(/worker 1 died/)
  t.is(await talk(port), 'hi')
  t.true((await reload({ listeners: [main] })).ok)
  await t.throwsAsync(dialPeer(port), { message: /ECONNREFUSED/ })
})

test('a fault of our own in a reload is answered and logged, and the next one is applied', async (t) => {
  const { forwarder, reload, state } = await scene(t)
  state.next = new Error('nobody thought of this')
  const answer = await forwarder.app.reload()
  t.false(answer.ok)
  t.regex(answer.message, /nobody thought of this/)
  t.false(forwarder.app.status().config.lastReload.successful)
  t.is((await forwarder.line(/nobody thought of this/)).level, 'error')
  t.true((await reload({})).ok)
})

test('a reload says which keys have changed, in its answer and in the log', async (t) => {
  const { forwarder, config, state } = await scene(t)
  const written = (balance: string) => {
    const text = `listeners: [{ name: main, listen: "127.0.0.1:1", pool: main }]
pools: { main: { endpoints: ["127.0.0.1:2"], balance: ${balance} } }`
    const parsed = parseConfig(text, { file: 'edge.yaml', env: {} })
    if (parsed.kind === 'invalid') throw new Error('not valid')
    return parsed.written
  }
  state.next = { kind: 'ok', config, warnings: [], written: written('p2c') }
  t.deepEqual(await forwarder.app.reload(), { ok: true, message: 'applied edge.yaml' })
  t.deepEqual(await forwarder.app.reload(), { ok: true, message: 'applied edge.yaml: no key has changed' })
  state.next = { ...state.next, written: written('source-hash') }
  const message = 'edge.yaml:\n  ~ pools.main.balance: p2c → source-hash'
  t.deepEqual(await forwarder.app.reload(), { ok: true, message: `applied ${message}` })
  t.true(forwarder.lines.some((line) => line.message === `configuration reloaded from ${message}`))
  t.is(forwarder.app.config().text, written('source-hash').text)

  state.next = { kind: 'invalid', message: 'error: unknown key' }
  await forwarder.app.reload()
  const { text, refused } = forwarder.app.config()
  t.is(text, written('source-hash').text)
  t.like(refused, { message: 'error: unknown key' })
})

test('whoever drains the last usable endpoint of a pool is warned', async (t) => {
  const backends = await Promise.all([Backend.start(), Backend.start()])
  const { forwarder } = await scene(t, { endpoints: backends.map(({ port }) => port) })
  t.teardown(() => Promise.all(backends.map((backend) => backend.close())))
  const [first = '', second = ''] = backends.map(({ port }) => `127.0.0.1:${port}`)
  const [pool] = forwarder.app.status().pools
  const name = pool?.name ?? ''
  t.is(forwarder.app.endpoint(name, first, 'drain').warning, undefined)
  const warning = `pool ${name} has no usable endpoint left`
  t.is(forwarder.app.endpoint(name, second, 'drain').warning, warning)
  t.true(forwarder.lines.some(({ level, message }) => level === 'warn' && message === warning))
  t.is(forwarder.app.endpoint(name, second, 'ready').warning, undefined)
})
