import { execFileSync } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { Forwarder, type PlaneName } from '../helpers/forwarder.ts'
import { NetworkNamespace, namespacesMissing } from '../helpers/netns.ts'
import { Backend, dialPeer, type Peer } from '../helpers/peer.ts'

const clientHost = '127.0.0.3'
const serverHost = '127.0.0.2'
const bulk = Buffer.alloc(4 * 1024 * 1024)
/** Of each case. */
const times = 20

type Slow = 'client' | 'network' | 'gateway' | null

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** What a client and its gateway do to each other, and who of them is slow. */
const cases: readonly [string, Slow, (client: Peer, server: Peer) => Promise<void>][] = [
  [
    'a client that does not read for a while',
    'client',
    async (client, server) => {
      client.socket.pause()
      server.end(bulk)
      await sleep(800)
      client.socket.resume()
      await client.readAll()
    },
  ],
  [
    'a client that reads in small portions',
    'client',
    async (client, server) => {
      server.end(bulk)
      for (let n = 0; n < 20; n++) {
        client.socket.pause()
        await sleep(50)
        client.socket.resume()
        await client.read(bulk.length / 32)
      }
      await client.readAll()
    },
  ],
  [
    'a gateway that takes long for its answer',
    'gateway',
    async (client, server) => {
      await client.write('request')
      await server.read(7)
      await sleep(1_100)
      server.end('answer')
      await client.readAll()
    },
  ],
  [
    'a gateway that dribbles',
    'gateway',
    async (client, server) => {
      await client.write('request')
      for (let n = 0; n < 20; n++) {
        await sleep(60)
        await server.write('a piece of it')
      }
      server.end()
      await client.readAll()
    },
  ],
  [
    'a gateway that does not read',
    'gateway',
    async (client, server) => {
      server.socket.pause()
      client.end(bulk)
      await sleep(800)
      server.socket.resume()
      await server.readAll()
      server.end()
    },
  ],
  [
    'a client that says nothing for long',
    null,
    async (client, server) => {
      await client.write('request')
      await server.read(7)
      await server.write('answer')
      await client.read(6)
      await sleep(1_200)
      await client.write('again')
      await server.read(5)
      server.end('answer')
      await client.readAll()
    },
  ],
]

/** Loss on the way to the client. */
async function chat(client: Peer, server: Peer): Promise<void> {
  for (let n = 0; n < 30; n++) {
    await client.write('request')
    await server.read(7)
    await server.write('answer')
    await client.read(6)
  }
  server.end()
  await client.readAll()
}

/** A line of the log says it beside the other fields. */
function slowOf(line: object): Slow | undefined {
  return Reflect.get(line, 'slow')
}

/** How many of `times` connections were judged as `slow`. */
async function judged(t: ExecutionContext, plane: PlaneName, slow: Slow, run: (typeof cases)[number][2]) {
  const backend = await Backend.start({ host: serverHost })
  const forwarder = await Forwarder.start({ plane, endpoints: [`${serverHost}:${backend.port}`] })
  t.teardown(async () => {
    await backend.close()
    await forwarder.close()
  })
  const pairs: [Peer, Peer][] = []
  for (let n = 0; n < times; n++) {
    const client = await dialPeer(forwarder.port, '127.0.0.1', clientHost)
    pairs.push([client, await backend.accept()])
  }
  await Promise.all(
    pairs.map(async ([client, server]) => {
      await run(client, server)
      client.end()
    }),
  )
  const verdicts: (Slow | undefined)[] = []
  for (let n = 0; n < times; n++) verdicts.push(slowOf(await forwarder.outcome()))
  t.log(
    JSON.stringify(Object.groupBy(verdicts, String), (_, value) =>
      Array.isArray(value) ? value.length : value,
    ),
  )
  return verdicts.filter((each) => each === slow).length
}

const missing = namespacesMissing()
for (const plane of ['splice', 'net'] as const) {
  for (const [what, slow, run] of cases) {
    test.serial(`${plane}: ${what}: ${slow}`, async (t) => {
      t.true((await judged(t, plane, slow, run)) >= 0.95 * times)
    })
  }

  const lossy = missing === null ? test.serial : test.serial.skip
  lossy(`${plane}: a network that loses three of ten segments to the client: network`, async (t) => {
    const namespace = NetworkNamespace.create(`slow-${plane}`)
    const leave = namespace.enter()
    t.teardown(() => {
      leave()
      namespace.remove()
    })
    // Of those that carry bytes: a handshake that loses its segments is slow for another reason.
    const rule = ['-A', 'INPUT', '-d', clientHost, '-p', 'tcp', '-m', 'length', '--length', '55:65535']
    const drop = ['-m', 'statistic', '--mode', 'random', '--probability', '0.3', '-j', 'DROP']
    execFileSync('iptables', [...rule, ...drop])
    t.true((await judged(t, plane, 'network', chat)) >= 0.95 * times)
  })
}
