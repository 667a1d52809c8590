import test, { type ExecutionContext } from 'ava'
import { Forwarder, type ForwarderOptions } from '../helpers/forwarder.ts'
import { Backend, closedPort, dialPeer, echo, type Peer } from '../helpers/peer.ts'

const planes = ['net', 'splice'] as const
/** Fast, so that a test waits for little else than what it is about; one answer is enough. */
const health = {
  probe: { kind: 'tcp', port: null, close: 'fin' },
  intervalMs: 20,
  fastIntervalMs: 20,
  timeoutMs: 1000,
  fall: 1,
  rise: 1,
} as const

interface Scene {
  readonly forwarder: Forwarder
  /** `127.0.0.1:PORT` of the two tiers. */
  readonly first: string
  readonly second: string
  /** Starts the backend of the first tier. */
  revive(onPeer: (peer: Peer) => void): Promise<void>
}

/** A pool of two tiers: nobody listens on the first, and the probes know; the second serves. */
async function scene(
  t: ExecutionContext,
  plane: 'net' | 'splice',
  pool: ForwarderOptions['pool'],
  serve: (peer: Peer) => void,
): Promise<Scene> {
  const port = await closedPort()
  const second = await Backend.start({ onPeer: serve })
  const forwarder = await Forwarder.start({
    plane,
    workers: 2,
    endpoints: [port, { port: second.port, priority: 1 }],
    pool: { health, ...pool },
    probe: true,
  })
  const backends = [second]
  t.teardown(async () => {
    for (const backend of backends) await backend.close()
    await forwarder.close()
  })
  await forwarder.line(new RegExp(`:${port} is down`))
  await forwarder.line(new RegExp(`:${second.port} is up`))
  return {
    forwarder,
    first: `127.0.0.1:${port}`,
    second: `127.0.0.1:${second.port}`,
    async revive(onPeer) {
      backends.push(await Backend.start({ onPeer, port }))
      await forwarder.line(new RegExp(`:${port} is up`))
    },
  }
}

async function whoServes(forwarder: Forwarder): Promise<string> {
  const client = await dialPeer(forwarder.port)
  const { bytes } = await client.readAll()
  client.end()
  return bytes.toString()
}

/** A connection through the second tier, which has answered. */
async function settled({ forwarder }: Scene): Promise<Peer> {
  const client = await dialPeer(forwarder.port)
  await client.write('a')
  await client.read(1)
  return client
}

function share({ forwarder, first }: Scene): number {
  const endpoints = forwarder.app.status().pools.flatMap((pool) => pool.endpoints)
  return endpoints.find(({ endpoint }) => endpoint === first)?.share ?? 0
}

/** Eight clients, one connection after the other, until the first tier has its full share. */
async function load(stage: Scene): Promise<readonly { readonly share: number; readonly by: string }[]> {
  const served: { readonly share: number; readonly by: string }[] = []
  const client = async () => {
    for (let now = share(stage); now < 1; now = share(stage)) {
      served.push({ share: now, by: await whoServes(stage.forwarder) })
    }
  }
  await Promise.all(Array.from({ length: 8 }, client))
  return served
}

for (const plane of planes) {
  test.serial(
    `${plane}: a tier that comes back takes over as its share grows, and then has all`,
    async (t) => {
      const stage = await scene(t, plane, { slowStartMs: 1_000 }, (peer) => peer.end('second'))
      t.is(await whoServes(stage.forwarder), 'second')
      await stage.revive((peer) => peer.end('first'))
      const served = await load(stage)
      const part = (from: number, to: number) => {
        const here = served.filter(({ share }) => share >= from && share < to)
        return here.filter(({ by }) => by === 'first').length / here.length
      }
      const [early, late] = [part(0, 0.5), part(0.5, 1)]
      t.log(
        `${served.length} connections; of those in the first half ${early.toFixed(2)}, later ${late.toFixed(2)}`,
      )
      t.deepEqual(
        served.filter(({ by }) => by !== 'first' && by !== 'second'),
        [],
      )
      t.true(early < late, `${early} then ${late}`)
      t.true(early < 0.7, 'and not at once')
      for (let i = 0; i < 20; i++) t.is(await whoServes(stage.forwarder), 'first')
    },
  )

  test.serial(`${plane}: at process start the first tier has all connections at once`, async (t) => {
    const first = await Backend.start({ onPeer: (peer) => peer.end('first') })
    const second = await Backend.start({ onPeer: (peer) => peer.end('second') })
    const forwarder = await Forwarder.start({
      plane,
      endpoints: [first.port, { port: second.port, priority: 1 }],
      pool: { health, slowStartMs: 30_000 },
      probe: true,
    })
    t.teardown(async () => {
      for (const backend of [first, second]) await backend.close()
      await forwarder.close()
    })
    await forwarder.line(new RegExp(`:${first.port} is up`))
    for (let i = 0; i < 20; i++) t.is(await whoServes(forwarder), 'first')
  })

  test.serial(
    `${plane}: onFailback: close ends connections of the other tier with FIN after the slow start`,
    async (t) => {
      const stage = await scene(t, plane, { slowStartMs: 100, onFailback: 'close' }, echo)
      const client = await settled(stage)
      await stage.revive(echo)
      t.is(await client.ended(), 'fin')
      t.is(share(stage), 1)
      client.end()
      t.like(await stage.forwarder.outcome(), {
        endpoint: stage.second,
        cause: 'admin',
        closed: { first: 'proxy', how: 'fin' },
      })
      const told = stage.forwarder.lines.filter(({ message }) => /in charge again/.test(message))
      t.deepEqual(
        told.map(({ message }) => message),
        [
          'pool main: priority 0 is in charge again: connections to later tiers (1) are closed as they fall silent',
        ],
      )
    },
  )

  test.serial(`${plane}: onFailback: keep leaves connections where they are`, async (t) => {
    const stage = await scene(t, plane, { slowStartMs: 50 }, echo)
    const client = await settled(stage)
    await stage.revive((peer) => peer.end('first'))
    await stage.forwarder.until(() => share(stage) === 1)
    t.is(await whoServes(stage.forwarder), 'first')
    await client.write('b')
    t.is((await client.read(1)).toString(), 'b')
    client.end()
    t.is(await client.ended(), 'fin')
  })

  for (const onRemoval of ['close', 'keep'] as const) {
    test.serial(`${plane}: draining an endpoint by hand with onRemoval: ${onRemoval}`, async (t) => {
      const stage = await scene(t, plane, { onRemoval }, echo)
      const client = await settled(stage)
      await stage.revive((peer) => peer.end('first'))
      const answer = stage.forwarder.app.endpoint('main', stage.second, 'drain')
      t.true(answer.ok)
      t.regex(answer.message, onRemoval === 'close' ? /existing ones are closed/ : /existing ones go on/)
      if (onRemoval === 'keep') {
        await client.write('b')
        t.is((await client.read(1)).toString(), 'b')
        client.end()
      }
      t.is(await client.ended(), 'fin')
      client.end()
      t.is((await stage.forwarder.outcome()).cause, onRemoval === 'close' ? 'admin' : 'none')
    })
  }
}
