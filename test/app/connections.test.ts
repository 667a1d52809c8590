import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { startAdmin } from '../../src/admin/admin.ts'
import { type ConnectionsOptions, connections } from '../../src/command/connections.ts'
import { explain } from '../../src/command/explain.ts'
import { kill } from '../../src/command/kill.ts'
import type { Connection, Explanation } from '../../src/core/connection.ts'
import { Forwarder, type ForwarderOptions } from '../helpers/forwarder.ts'
import { Backend, dialPeer, silentPort } from '../helpers/peer.ts'
import { memoryLog } from '../telemetry/example-app.ts'

type Typed = Partial<Omit<ConnectionsOptions, 'socket' | 'out' | 'err'>>

/** A forwarder whose admin socket is asked by the commands that a person would type. */
async function scene(t: ExecutionContext, options: ForwarderOptions, before: readonly number[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-connections-'))
  const backend = await Backend.start()
  const forwarder = await Forwarder.start({
    endpoints: [...before, { port: backend.port, priority: before.length }],
    ...options,
  })
  const socketPath = join(folder, 'spliceway.sock')
  const log = memoryLog()
  const admin = await startAdmin({
    app: forwarder.app,
    socketPath,
    listen: null,
    log,
    holder: async () => undefined,
  })
  t.teardown(async () => {
    await admin.close()
    await backend.close()
    await forwarder.close()
    rmSync(folder, { recursive: true })
  })
  /** What a command printed, and its exit code. */
  const run = async (
    command: (at: {
      socket: string
      out: { write(text: string): void }
      err: { write(text: string): void }
    }) => Promise<number>,
  ) => {
    let [out, err] = ['', '']
    const code = await command({
      socket: socketPath,
      out: {
        write(text) {
          out += text
        },
      },
      err: {
        write(text) {
          err += text
        },
      },
    })
    return { code, out, err }
  }
  const list = async (typed: Typed = {}): Promise<readonly Connection[]> => {
    const { code, out, err } = await run((at) => connections({ ...at, ...typed, json: true }))
    if (code !== 0) throw new Error(err)
    return JSON.parse(out).connections
  }
  const story = async (id: string): Promise<Explanation> => {
    const { code, out, err } = await run((at) => explain({ ...at, id, json: true }))
    if (code !== 0) throw new Error(err)
    return JSON.parse(out)
  }
  return { forwarder, backend, run, list, story }
}

for (const plane of ['splice', 'net'] as const) {
  test(`${plane}: who is connected, with the fields that are promised`, async (t) => {
    const { forwarder, backend, list, run } = await scene(t, { plane })
    const client = await dialPeer(forwarder.port)
    await client.write('four')
    const server = await backend.accept()
    await server.read(4)
    await server.write('and seven')
    await client.read(9)
    const [only, ...more] = await list()
    t.deepEqual(more, [])
    if (only === undefined) throw new Error('there is a connection')
    const { id, ageMs, idleMs, ...rest } = only
    t.deepEqual(rest, {
      listener: 'main',
      client: `127.0.0.1:${client.socket.localPort}`,
      pool: 'main',
      endpoint: `127.0.0.1:${backend.port}`,
      bytesUp: 4,
      bytesDown: 9,
      heldBytes: 0,
      state: 'data',
    })
    t.true(ageMs >= idleMs && idleMs >= 0)
    const { out } = await run((at) => connections({ ...at, json: false }))
    t.regex(out, /^ID +CLIENT +LISTENER +POOL +ENDPOINT +AGE +IDLE +UP +DOWN +HELD +STATE\n/)
    t.true(out.includes(id))
    client.end()
    await server.ended()
    await forwarder.until(() => server.ending === 'fin')
    t.is((await list())[0]?.state, 'half-closed')
    server.end()
    t.is((await forwarder.outcome()).id, id)
    t.deepEqual(await list(), [])
  })

  test(`${plane}: filters leave out what does not fit, and all of them have to fit`, async (t) => {
    const { forwarder, backend, list, run } = await scene(t, { plane, workers: 2 })
    const clients = await Promise.all(
      ['127.0.0.2', '127.0.0.2', '127.0.0.9'].map((host) => dialPeer(forwarder.port, '127.0.0.1', host)),
    )
    t.teardown(() => {
      for (const { socket } of clients) socket.destroy()
    })
    for (let n = 0; n < 3; n++) await backend.accept()
    const count = async (typed: Typed) => (await list(typed)).length
    await forwarder.until(() => forwarder.app.status().pools[0]?.endpoints[0]?.active === 3)
    t.is(await count({}), 3)
    t.is(await count({ client: '127.0.0.2' }), 2)
    t.is(await count({ client: '127.0.0.8/29' }), 1)
    t.is(await count({ client: '::1' }), 0)
    t.is(await count({ listener: 'main', pool: 'main', endpoint: `127.0.0.1:${backend.port}` }), 3)
    t.is(await count({ listener: 'other' }), 0)
    t.is(await count({ pool: 'other' }), 0)
    t.is(await count({ endpoint: '127.0.0.1:1' }), 0)
    t.is(await count({ older: '1h' }), 0)
    t.is(await count({ idle: '1h', client: '127.0.0.2' }), 0)
    t.is(await count({ older: '0ms', idle: '0ms' }), 3)
    const top = await run((at) => connections({ ...at, top: 'client', json: false }))
    t.regex(top.out, /^CLIENT +CONNECTIONS +UP +DOWN\n127\.0\.0\.2 +2 +0 +0\n127\.0\.0\.9 +1 +0 +0\n$/)
    const gateways = await run((at) => connections({ ...at, top: 'endpoint', json: true }))
    t.is(JSON.parse(gateways.out).top[0].connections, 3)
  })

  test(`${plane}: explain tells each dial, also where no access log is kept`, async (t) => {
    const { port: refusing } = await Backend.start().then(async (gone) => {
      const { port } = gone
      await gone.close()
      return { port }
    })
    const noLog = { log: { level: 'info', access: 'none', connect: false, empty: true } } as const
    const { forwarder, backend, list, story, run } = await scene(t, { plane, config: noLog }, [refusing])
    const client = await dialPeer(forwarder.port)
    t.teardown(() => client.socket.destroy())
    await client.write('hello')
    const server = await backend.accept()
    await server.read(5)
    const [{ id } = { id: '' }] = await list()
    const told = await story(id)
    t.deepEqual(
      told.attempts.map(({ endpoint, error }) => [endpoint, error]),
      [
        [`127.0.0.1:${refusing}`, 'ECONNREFUSED'],
        [`127.0.0.1:${backend.port}`, null],
      ],
    )
    t.true((told.connectMs ?? -1) >= 0)
    t.is(told.waits.for, 'gateway')
    t.regex(told.waits.why, /^the client spoke last/)
    t.true((told.tcp.client?.rttMs ?? 0) > 0 && (told.tcp.endpoint?.rttMs ?? 0) > 0)
    await server.write('hi')
    await client.read(2)
    t.is((await story(id)).waits.for, 'client')
    const { out } = await run((at) => explain({ ...at, id, json: false }))
    t.regex(out, /^waits for: client \(the gateway spoke last/m)
    t.regex(out, /^round trip +\S+ ms +\S+ ms$/m)
  })

  test(`${plane}: explain names a client that does not read`, async (t) => {
    const { forwarder, backend, list, story } = await scene(t, { plane })
    const client = await dialPeer(forwarder.port)
    client.socket.pause()
    const server = await backend.accept()
    server.socket.on('error', () => {})
    server.socket.write(Buffer.alloc(32 * 1024 * 1024))
    let id = ''
    for (;;) {
      const [only] = await list()
      if (only !== undefined && only.heldBytes > 0) {
        id = only.id
        break
      }
    }
    const told = await story(id)
    t.is(told.waits.for, 'client')
    t.true(told.heldDown > 0)
    client.socket.destroy()
    await forwarder.outcome()
  })

  test(`${plane}: one that dials is shown, waits for its gateway, and can be ended`, async (t) => {
    const silent = await silentPort()
    t.teardown(() => silent.close())
    const { forwarder, list, story, run } = await scene(t, { plane, endpoints: [silent.port] })
    const client = await dialPeer(forwarder.port)
    await forwarder.until(() => forwarder.app.status().connections.active === 1)
    const [only] = await list()
    t.like(only, { state: 'connect', endpoint: null })
    const id = only?.id ?? ''
    t.is((await story(id)).waits.for, 'gateway')
    t.is((await run((at) => kill({ ...at, id }))).code, 0)
    t.is(await client.ended(), 'rst')
    t.is((await forwarder.outcome()).cause, 'admin')
  })

  test(`${plane}: kill resets one connection on both sides and no other`, async (t) => {
    const { forwarder, backend, list, run } = await scene(t, { plane, workers: 2 })
    const one = await dialPeer(forwarder.port)
    const its = await backend.accept()
    const other = await dialPeer(forwarder.port)
    const others = await backend.accept()
    await forwarder.until(() => forwarder.app.status().pools[0]?.endpoints[0]?.active === 2)
    const found = (await list()).find(({ client }) => client.endsWith(`:${one.socket.localPort}`))
    const id = found?.id ?? ''
    const killed = await run((at) => kill({ ...at, id }))
    t.deepEqual(killed, { code: 0, out: `connection ${id} is reset\n`, err: '' })
    t.is(await one.ended(), 'rst')
    t.is(await its.ended(), 'rst')
    const outcome = await forwarder.outcome()
    t.is(outcome.id, id)
    t.is(outcome.cause, 'admin')
    t.deepEqual(outcome.closed, { first: 'proxy', how: 'kill' })
    await other.write('still there')
    t.is(String(await others.read(11)), 'still there')
    other.socket.destroy()
    const again = await run((at) => kill({ ...at, id }))
    t.is(again.code, 1)
    t.is(again.err, `there is no connection ${id}\n`)
  })
}

test('a listing of more than a page has everyone once, whoever comes and goes meanwhile', async (t) => {
  const { forwarder, list } = await scene(t, { plane: 'splice', workers: 2 })
  const clients = await Promise.all(Array.from({ length: 600 }, () => dialPeer(forwarder.port)))
  await forwarder.until(() => forwarder.app.status().pools[0]?.endpoints[0]?.active === 600)
  const listing = list()
  const late = await dialPeer(forwarder.port)
  const ports = new Set(
    (await listing).map(({ client }) => Number(client.slice(client.lastIndexOf(':') + 1))),
  )
  for (const { socket } of clients) t.true(ports.has(socket.localPort ?? 0))
  const ids = (await list()).map(({ id }) => id)
  t.is(new Set(ids).size, ids.length)
  for (const { socket } of [late, ...clients]) socket.destroy()
})

test('a worker that dies in the middle of a listing is named', async (t) => {
  const { forwarder } = await scene(t, { plane: 'splice', workers: 2 })
  const everyone = { listener: null, pool: null, endpoint: null, client: null, olderMs: 0, idleMs: 0 }
  forwarder.app.breakWorker(1)
  let text = ''
  for await (const part of forwarder.app.connections(everyone)) text += part
  t.deepEqual(JSON.parse(text).silent, [1])
  await forwarder.until(() => forwarder.app.status().workers.every(({ alive }) => alive))
})

for (const [typed, why] of [
  [{ client: '10.0.0.0/33' }, /--client 10\.0\.0\.0\/33 has a bad prefix/],
  [{ older: 'yesterday' }, /--older takes a duration such as 10m or 1h/],
  [{ idle: '5' }, /--idle takes a duration/],
  [{ top: 'pool' }, /--top takes client or endpoint/],
] as const) {
  test(`connections ${JSON.stringify(typed)}: wrong usage is exit code 2`, async (t) => {
    let err = ''
    const write = (text: string): void => {
      err += text
    }
    const at = { socket: '/nowhere', out: { write }, err: { write } }
    t.is(await connections({ ...at, ...typed, json: false }), 2)
    t.regex(err, why)
  })
}
