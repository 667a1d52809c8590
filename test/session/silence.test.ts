import test, { type ExecutionContext } from 'ava'
import type { EndpointStatus } from '../../src/core/status.ts'
import { Forwarder, type ForwarderOptions, type PlaneName } from '../helpers/forwarder.ts'
import { Backend, dialPeer } from '../helpers/peer.ts'

const planes: readonly PlaneName[] = ['net', 'splice']

/** A gateway that answers `word` to whatever it is sent, `delayMs` later, unless it is frozen. */
class Gateway {
  readonly backend: Backend
  frozen = false
  delayMs = 0
  readonly #held: (() => void)[]

  private constructor(backend: Backend, held: (() => void)[]) {
    this.backend = backend
    this.#held = held
  }

  static async start(t: ExecutionContext, word: string): Promise<Gateway> {
    const held: (() => void)[] = []
    let gateway: Gateway | null = null
    const backend = await Backend.start({
      onPeer: (peer) =>
        peer.socket.once('data', () => {
          const answer = (): void => void (peer.socket.destroyed || peer.end(word))
          if (gateway?.frozen === true) held.push(answer)
          else setTimeout(answer, gateway?.delayMs ?? 0)
        }),
    })
    t.teardown(() => backend.close())
    gateway = new Gateway(backend, held)
    return gateway
  }

  /** Answers all that waited. */
  thaw(): void {
    this.frozen = false
    for (const answer of this.#held.splice(0)) answer()
  }

  get id(): string {
    return `127.0.0.1:${this.backend.port}`
  }
}

/** One request; null: no answer within `patienceMs`, or a reset. */
async function ask(port: number, patienceMs = 15_000): Promise<string | null> {
  const client = await dialPeer(port)
  await client.write('?')
  const { promise: given, resolve: giveUp } = Promise.withResolvers<null>()
  const timer = setTimeout(() => giveUp(null), patienceMs)
  const answer = await Promise.race([given, client.readAll()])
  clearTimeout(timer)
  if (answer === null) client.reset()
  else client.end()
  return answer?.ending === 'fin' ? answer.bytes.toString() : null
}

/** A request every 5 ms, of a hundred at a time at most, until the returned function is called; what they were answered. */
function traffic(
  t: ExecutionContext,
  port: number,
  patienceMs?: number,
): () => Promise<readonly (string | null)[]> {
  const asked: Promise<string | null>[] = []
  let open = 0
  const timer = setInterval(() => {
    if (open >= 100) return // a machine that cannot do as much is not to be blamed on an endpoint
    open++
    asked.push(ask(port, patienceMs).finally(() => open--))
  }, 5)
  t.teardown(() => clearInterval(timer))
  return () => {
    clearInterval(timer)
    return Promise.all(asked)
  }
}

async function start(
  t: ExecutionContext,
  plane: PlaneName,
  options: Partial<ForwarderOptions> = {},
): Promise<{ forwarder: Forwarder; gateways: readonly [Gateway, Gateway, Gateway] }> {
  const gateways = [
    await Gateway.start(t, 'a'),
    await Gateway.start(t, 'b'),
    await Gateway.start(t, 'c'),
  ] as const
  const endpoints = gateways.map(({ backend }) => backend.port)
  const forwarder = await Forwarder.start({ plane, endpoints, workers: 2, ...options })
  t.teardown(() => forwarder.app.stop())
  for (let i = 0; i < 90; i++) await ask(forwarder.port)
  return { forwarder, gateways }
}

function endpointStatus(forwarder: Forwarder, { id }: Gateway): EndpointStatus | undefined {
  return forwarder.app.status().pools[0]?.endpoints.find(({ endpoint }) => endpoint === id)
}

function silences({ lines }: Forwarder): readonly string[] {
  return lines.filter(({ message }) => / is silent: /.test(message)).map(({ message }) => message)
}

for (const plane of planes) {
  test.serial(
    `${plane}: an endpoint that accepts and says nothing is taken last, and one client at a time asks it again`,
    async (t) => {
      const { forwarder, gateways } = await start(t, plane)
      const [, b] = gateways
      b.frozen = true
      const stop = traffic(t, forwarder.port)
      const { message } = await forwarder.line(/ is silent: /)
      t.regex(
        message,
        /: \d+ connections have waited \d+ ms for a first byte; usually [\d.]+ ms; 3 of 3 endpoints up$/,
      )
      t.true(message.includes(b.id))
      const status = endpointStatus(forwarder, b)
      t.is(status?.state, 'silent')
      t.regex(status?.reason ?? '', /connections have waited .* its pool is not probed/)
      const before = b.backend.peers.length
      for (let i = 0; i < 30; i++) t.not(await ask(forwarder.port), null)
      t.true(b.backend.peers.length <= before + 1, 'at most the one that asks')
      b.thaw()
      await forwarder.line(/ speaks again after /)
      const answers = await stop()
      t.true(answers.filter((answer) => answer === null).length <= 1)
      await forwarder.close()
    },
  )

  test.serial(`${plane}: a tcp probe, which a kernel answers, does not end a silence`, async (t) => {
    const health = {
      probe: { kind: 'tcp', port: null, close: 'fin' },
      intervalMs: 20,
      fastIntervalMs: 20,
      timeoutMs: 1_000,
      fall: 3,
      rise: 2,
    } as const
    const { forwarder, gateways } = await start(t, plane, { probe: true, pool: { health } })
    const [, b] = gateways
    b.frozen = true
    const stop = traffic(t, forwarder.port)
    await forwarder.line(/ is silent: /)
    const before = b.backend.peers.length
    await forwarder.until(() => b.backend.peers.length > before + 10) // and at most two of them are clients that ask
    t.is(endpointStatus(forwarder, b)?.state, 'silent')
    b.thaw()
    await stop()
    await forwarder.close()
  })

  test.serial(`${plane}: when all endpoints become slow at once, none is silent`, async (t) => {
    const { forwarder, gateways } = await start(t, plane)
    for (const gateway of gateways) gateway.delayMs = 700
    const stop = traffic(t, forwarder.port)
    for (let i = 0; i < 3; i++) t.not(await ask(forwarder.port), null)
    const answers = await stop()
    t.false(answers.includes(null))
    t.deepEqual(silences(forwarder), [])
    await forwarder.close()
  })

  test.serial(
    `${plane}: of two endpoints that fall silent in a pool of three, one stays in use`,
    async (t) => {
      const { forwarder, gateways } = await start(t, plane)
      const [a, b] = gateways
      const stop = traffic(t, forwarder.port)
      a.frozen = b.frozen = true
      await forwarder.line(/ is silent: /)
      for (let i = 0; i < 5; i++) await ask(forwarder.port, 300)
      const states = forwarder.app.status().pools[0]?.endpoints.map(({ state }) => state) ?? []
      t.is(states.filter((state) => state === 'silent').length, 1)
      a.thaw()
      b.thaw()
      await stop()
      await forwarder.close()
    },
  )
}

// Ten seconds, so on one plane only: what is asked is the same.
test.serial(
  'without an old connection to hear it by, a silent endpoint is found again by a client',
  async (t) => {
    const { forwarder, gateways } = await start(t, 'splice')
    const [, b] = gateways
    b.frozen = true
    const stop = traffic(t, forwarder.port, 400)
    await forwarder.line(/ is silent: /)
    await forwarder.until(() => endpointStatus(forwarder, b)?.active === 0)
    b.frozen = false
    await forwarder.line(/ speaks again after /)
    t.is(endpointStatus(forwarder, b)?.state, 'unknown')
    await stop()
    await forwarder.close()
  },
)
