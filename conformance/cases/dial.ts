import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { about, type Case, choice, expectSame, Fault, fail, none, pass, type Verdict } from '../case.ts'
import { type Endpoint, echo } from '../endpoint.ts'
import type { Ground } from '../ground.ts'
import { happens } from '../until.ts'
import type { Wire } from '../wire.ts'

/** How long clients wait: HAProxy's four dials of 5 s, the longest that has an end within reason, are over by then. */
const answerMs = 24_000
const clients = 10
const nobodyDials = 'nobody dials'
const oneEndpoint = 'it has one endpoint'
/** TCP_SYN_SENT in /proc/net/tcp. */
const synSent = '02'

export const dial: readonly Case[] = [
  {
    id: 'refused',
    title: 'when the only endpoint refuses, the client is told by RST',
    why: 'A FIN is the end of an answer: to a client that reads to the end, an empty one.',
    choice:
      'The connection was accepted, so nobody can refuse it any more, and nothing says how it has to end. spliceway tries again for `connect.budget` (10 s), so that a restart of the endpoint stays unseen, and then resets.',
    from: 'nginx stream_proxy_next_upstream.t, “next off”',
    waits: true,
    async run(ground) {
      if (ground.peer.mostEndpoints < 1) return none(nobodyDials)
      const endpoint = ground.listening()
      endpoint.refuse()
      await ground.start(endpoint)
      const client = await ground.client()
      client.offer(Buffer.from('anyone?'))
      return told(client, 'RST')
    },
  },
  {
    id: 'silent',
    title: 'when the only endpoint answers no SYN, the client is told within 24 s',
    why: 'A host without power, a firewall that drops: a client that is told can go elsewhere.',
    choice:
      'How long a dial may take is a setting everywhere. spliceway gives up after `connect.budget`: 10 s.',
    waits: true,
    async run(ground) {
      if (ground.peer.mostEndpoints < 1) return none(nobodyDials)
      await ground.start(await ground.silent())
      const client = await ground.client()
      client.offer(Buffer.from('anyone?'))
      return told(client, null)
    },
  },
  {
    id: 'refused-first',
    title: 'when one of two endpoints refuses, ten clients of ten are served by the other within 1 s',
    why: 'A gateway that is restarted is nothing that a client should notice.',
    choice: 'Whoever waits before the next try serves them all too, later.',
    from: 'nginx stream_proxy_next_upstream.t, “next on”',
    run: (ground) => served(ground, (endpoint) => endpoint.refuse()),
  },
  {
    id: 'silent-first',
    title: 'when one of two endpoints answers no SYN, ten clients of ten are served by the other within 1 s',
    why: 'A node that has vanished says nothing. Who waits for the timeout of a dial lets each client do so.',
    choice:
      'The timeout of a dial is a setting everywhere, and a low one gives up servers that are only slow. spliceway dials a second endpoint beside the first after 250 ms (`connect.hedgeAfter`).',
    run: (ground) => served(ground, (endpoint) => endpoint.silence()),
  },
  {
    id: 'never-twice',
    title: 'a request whose server resets without an answer goes to no other one',
    why: 'It may have been carried out. Only the client knows whether it may be sent again.',
    async run(ground) {
      if (ground.peer.mostEndpoints < 2) return none(oneEndpoint)
      const endpoints = [ground.listening(), ground.listening()]
      await ground.start(...endpoints)
      const client = await ground.client()
      await client.send('pay')
      let first: Wire | undefined
      await happens(() => {
        first = endpoints.map((endpoint) => endpoint.look()).find((wire) => wire !== undefined)
        return first !== undefined
      }, 5_000)
      if (first === undefined) throw new Fault('no connection came')
      expectSame(await first.take(3), Buffer.from('pay'), 'the server')
      first.reset()
      const again = await happens(() => endpoints.some((endpoint) => endpoint.look() !== undefined), 1_500)
      return again ? fail('another connection was made') : pass('once')
    },
  },
  {
    id: 'gone-during-dial',
    title: 'a client that resets while the endpoint is being dialed leaves no connection there',
    why: 'Clients that gave up during an outage would all stand at the server when it is back.',
    from: 'HAProxy reg-tests/http-messaging/http_abortonclose.vtc, which asks it of HTTP',
    waits: true,
    async run(ground) {
      if (ground.peer.mostEndpoints < 1) return none(nobodyDials)
      const endpoint = await ground.silent()
      await ground.start(endpoint)
      const client = await ground.client()
      await client.send('x')
      await happens(() => isDialing(endpoint), 500)
      client.reset()
      await sleep(300)
      endpoint.answer()
      let came: Wire | undefined
      await happens(() => {
        came = endpoint.look()
        return came !== undefined
      }, 6_000)
      if (came === undefined) return pass('no connection')
      const over = await came.ended(4_000).catch(() => null)
      return over === null ? fail('a connection stays there') : pass('a connection that ends at once')
    },
  },
]

/** How, and when, the client hears that it will not be served; `wanted` null: either way. */
async function told(client: Wire, wanted: 'RST' | null): Promise<Verdict> {
  const begunMs = performance.now()
  const ending = await client.ended(answerMs).catch((error: unknown) => {
    if (error instanceof Fault) return null
    throw error
  })
  if (ending === null) return choice(`still waits after ${answerMs / 1_000} s`)
  const seen = `${ending} ${about(performance.now() - begunMs)}`
  return wanted === null || ending === wanted ? pass(seen) : choice(seen)
}

/** Two endpoints echo, then one of them is no more. */
async function served(ground: Ground, lose: (endpoint: Endpoint) => void | Promise<void>): Promise<Verdict> {
  if (ground.peer.mostEndpoints < 2) return none(oneEndpoint)
  const [lost, alive] = [ground.listening(), ground.listening()]
  await ground.start(lost, alive)
  for (const endpoint of [lost, alive]) endpoint.serve(echo)
  /** How long it took; null: the client was cut off; undefined: it still waits. */
  const one = async (_: unknown, i: number): Promise<number | null | undefined> => {
    const begunMs = performance.now()
    const client = await ground.client()
    client.offer(Buffer.from([i]))
    await happens(() => client.read(), answerMs) // the answer, or the end
    const tookMs = performance.now() - begunMs
    client.close()
    if (client.size > 0) return tookMs
    return client.ending === null ? undefined : null
  }
  // While all is well, so that starting up is not what is measured.
  for (let i = 0; i < 4; i++) await one(null, i)
  lost.stopServing()
  await lose(lost)
  const all = await Promise.all(Array.from({ length: clients }, one))
  const times = all.filter((tookMs) => typeof tookMs === 'number')
  const cut = all.filter((tookMs) => tookMs === null).length
  const slowest = times.length === 0 ? '' : `, the slowest ${about(Math.max(...times))}`
  const some = `${times.length} of ${clients} were served${slowest}`
  if (cut > 0) return fail(`${some}; ${cut} were cut off`)
  if (times.length < clients) return choice(`${some}; the others still wait after ${answerMs / 1_000} s`)
  return Math.max(...times) < 1_000 ? pass(some) : choice(some)
}

/** Seen in the kernel's table; a peer in another network namespace is not in ours, and then this is never true. */
function isDialing({ port }: Endpoint): boolean {
  const file = '/proc/net/tcp'
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return existsSync(file) && new RegExp(`:${hex} ${synSent} `).test(readFileSync(file, 'utf8'))
}
