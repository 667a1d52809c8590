import test, { type ExecutionContext } from 'ava'
import { Forwarder, type ForwarderOptions, type PlaneName } from '../helpers/forwarder.ts'
import { Backend, dialPeer, type Peer } from '../helpers/peer.ts'

const planes = ['net', 'splice'] as const
/** Fast, so that a test waits for little else than what it is about; one answer is enough. */
const health = {
  probe: { kind: 'http', port: null, secure: false, path: '/role', status: [200], host: null },
  intervalMs: 20,
  fastIntervalMs: 20,
  timeoutMs: 2_000,
  fall: 1,
  rise: 1,
} as const

/** A gateway that tells probes what the test says, and gives clients their first byte back behind its name. */
class Gateway {
  isGood = true
  readonly clients: Peer[] = []
  readonly backend: Backend

  private constructor(backend: Backend) {
    this.backend = backend
  }

  static async start(name: string, isGood = true): Promise<Gateway> {
    const backend = await Backend.start({ onPeer: (peer) => void gateway.#serve(peer, name) })
    const gateway = new Gateway(backend)
    gateway.isGood = isGood
    return gateway
  }

  async #serve(peer: Peer, name: string): Promise<void> {
    const first = await peer.read(1).catch(() => null)
    if (first === null) return
    if (first.toString() === 'G') {
      peer.end(`HTTP/1.1 ${this.isGood ? 200 : 503} role\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
      return
    }
    this.clients.push(peer)
    await peer.write(`${name}${first}`)
  }
}

interface Scene {
  readonly forwarder: Forwarder
  /** Of tier 0 and of tier 1. */
  readonly first: Gateway
  readonly second: Gateway
}

async function scene(
  t: ExecutionContext,
  plane: PlaneName,
  pool: ForwarderOptions['pool'],
  options: Partial<ForwarderOptions> & { readonly areGood?: boolean } = {},
): Promise<Scene> {
  const { areGood = true, ...others } = options
  const [first, second] = [await Gateway.start('1', areGood), await Gateway.start('2', areGood)]
  const forwarder = await Forwarder.start({
    plane,
    workers: 2,
    endpoints: [first.backend.port, { port: second.backend.port, priority: 1 }],
    pool: { health, ...pool },
    probe: true,
    ...others,
  })
  t.teardown(async () => {
    await first.backend.close()
    await second.backend.close()
    await forwarder.close()
  })
  await state(forwarder, first, areGood ? 'up' : 'down')
  await state(forwarder, second, areGood ? 'up' : 'down')
  return { forwarder, first, second }
}

function state(forwarder: Forwarder, { backend }: Gateway, wanted: string): Promise<void> {
  const endpoints = () => forwarder.app.status().pools.flatMap((pool) => pool.endpoints)
  const id = `127.0.0.1:${backend.port}`
  return forwarder.until(() => endpoints().find(({ endpoint }) => endpoint === id)?.state === wanted)
}

/** A connection to whoever serves now, which has answered. */
async function settled({ forwarder }: Scene): Promise<{ readonly client: Peer; readonly by: string }> {
  const client = await dialPeer(forwarder.port)
  await client.write('x')
  const by = (await client.read(2)).toString()
  return { client, by }
}

for (const plane of planes) {
  for (const [onDown, ending, how] of [
    ['reset', 'rst', 'kill'],
    ['close', 'fin', 'fin'],
  ] as const) {
    test.serial(
      `${plane}: onDown: ${onDown}: both sides of a connection see it when probes call its endpoint down`,
      async (t) => {
        const stage = await scene(t, plane, { onDown })
        const { client, by } = await settled(stage)
        t.is(by, '1x')
        stage.first.isGood = false
        t.is(await client.ended(), ending)
        client.end()
        const [peer] = stage.first.clients
        t.is(await peer?.ended(), ending)
        peer?.end()
        t.like(await stage.forwarder.outcome(), {
          endpoint: `127.0.0.1:${stage.first.backend.port}`,
          cause: 'endpoint-down',
          closed: { first: 'proxy', how },
        })
        const next = await settled(stage)
        t.is(next.by, '2x')
        next.client.reset()
        await stage.forwarder.line(/is down: connections to it \(1\) are/)
      },
    )
  }

  test.serial(`${plane}: onDown: keep leaves the connections of an endpoint that is down`, async (t) => {
    const stage = await scene(t, plane, {})
    const { client } = await settled(stage)
    stage.first.isGood = false
    await state(stage.forwarder, stage.first, 'down')
    const next = await settled(stage)
    t.is(next.by, '2x')
    await client.write('y')
    t.is((await stage.first.clients[0]?.read(1))?.toString(), 'y')
    for (const peer of [client, next.client]) peer.reset()
  })

  test.serial(
    `${plane}: a probe that breaks for the whole pool resets nothing, broken or mended`,
    async (t) => {
      const stage = await scene(t, plane, { onDown: 'reset', health: { ...health, fall: 3, rise: 2 } })
      const { forwarder, first, second } = stage
      const one = await settled(stage)
      first.isGood = false
      second.isGood = false
      await forwarder.line(/no endpoint up: all are tried \(panic\)/)
      const two = await settled(stage)
      t.is(two.by, '1x', 'all are tried')
      first.isGood = true
      second.isGood = true
      await state(forwarder, first, 'up')
      await state(forwarder, second, 'up')
      for (const [at, { client }] of [one, two].entries()) {
        await client.write('y')
        t.is((await first.clients[at]?.read(1))?.toString(), 'y')
        client.reset()
      }
    },
  )

  test.serial(
    `${plane}: panic: off: clients wait while the role probe finds no primary, and are served when it does`,
    async (t) => {
      const stage = await scene(t, plane, { panic: false, onDown: 'reset' }, { areGood: false })
      const { forwarder, first, second } = stage
      t.like(forwarder.app.status().pools[0], { panic: false, waiting: true })
      const clients = await Promise.all(
        Array.from({ length: 8 }, async (_, i) => {
          await new Promise((resolve) => setTimeout(resolve, i * 120))
          const client = await dialPeer(forwarder.port)
          await client.write('x')
          return client
        }),
      )
      // By now all pause for a second at a time.
      await new Promise((resolve) => setTimeout(resolve, 1_600))
      t.is(first.clients.length + second.clients.length, 0)
      second.isGood = true
      await forwarder.line(/is up: .* 1 of 2 endpoints up, clients wait no longer/)
      const upMs = performance.now()
      const answers = await Promise.all(clients.map(async (client) => (await client.read(2)).toString()))
      const tookMs = performance.now() - upMs
      t.deepEqual([...new Set(answers)], ['2x'])
      t.true(tookMs < 700, `eight of eight within ${tookMs} ms: nobody has waited for the end of a pause`)
      // The primary moves: its connections must not write to a replica.
      second.isGood = false
      t.is(await clients[0]?.ended(), 'rst')
      for (const client of clients) client.reset()
    },
  )

  test.serial(
    `${plane}: panic: off: who has waited for the whole budget is reset, and no endpoint was dialed`,
    async (t) => {
      const stage = await scene(t, plane, { panic: false }, { areGood: false, connect: { budgetMs: 300 } })
      const client = await dialPeer(stage.forwarder.port)
      t.is(await client.ended(), 'rst')
      const { cause, phase, attempts, durationMs } = await stage.forwarder.outcome()
      t.deepEqual({ cause, phase, attempts }, { cause: 'endpoint-down', phase: 'connect', attempts: [] })
      t.true(durationMs > 200, `${durationMs} ms`)
    },
  )

  test.serial(
    `${plane}: an endpoint that is ready again before its connections are closed keeps the rest`,
    async (t) => {
      const windowMs = 2_000
      const drain = { notReadyDelayMs: 0, windowMs, deadlineMs: windowMs, idleAfterMs: 50 }
      const stage = await scene(t, plane, { onRemoval: 'close' }, { workers: 1, config: { drain } })
      const { forwarder, first } = stage
      const clients: Peer[] = []
      for (let i = 0; i < 4; i++) clients.push((await settled(stage)).client)
      const id = `127.0.0.1:${first.backend.port}`
      t.true(forwarder.app.endpoint('main', id, 'drain').ok)
      const over = () => clients.filter(({ ending }) => ending !== null)
      await forwarder.until(() => over().length > 0)
      t.true(forwarder.app.endpoint('main', id, 'ready').ok)
      await new Promise((resolve) => setTimeout(resolve, windowMs))
      t.true(over().length < 4, `${over().length} of 4 were closed`)
      for (const client of clients) client.reset()
      for (const peer of first.clients) peer.end()
    },
  )
}
