import { setTimeout as sleep } from 'node:timers/promises'
import { type Case, fail, none, pass } from '../case.ts'
import { echo } from '../endpoint.ts'
import type { Ground } from '../ground.ts'
import { happens, patienceMs } from '../until.ts'
import type { Wire } from '../wire.ts'

const idleMs = 20_000
const reloads = 3
const loops = 4
/** Between two clients of a loop: who stops when nobody is connected finds such a moment. */
const restMs = 10
/** A second for the process, and another for a busy machine. */
const atOnceMs = 2_000
const survivesMs = 5_000
/** spliceway accepts for 10 s, and resets what is left after 25. */
const stopMs = 20_000

export const lifecycle: readonly Case[] = [
  {
    id: 'idle',
    title: 'a connection that says nothing for 20 s still works',
    why: 'Database pools, message brokers, ssh. All have settings for longer silence; this is the least.',
    waits: true,
    async run(ground) {
      const { client, server } = await ground.pair()
      await client.send('a')
      await server.take(1)
      await sleep(idleMs)
      await server.send('b')
      await client.take(1)
      await client.send('c')
      await server.take(1)
      return pass('works')
    },
  },
  {
    id: 'reload-keeps',
    title: 'connections in use survive three reloads',
    why: 'Configurations change while people work.',
    async run(ground) {
      const endpoint = ground.listening()
      await ground.start(endpoint)
      const { client, server } = await ground.pair(endpoint)
      for (let i = 0; i < reloads; i++) {
        if (!ground.running.reload()) return none('it cannot reload')
        await exchanges(client, server, 1_000)
      }
      return pass('survives')
    },
  },
  {
    id: 'reload-accepts',
    title: 'while it reloads three times no new connection is refused, reset or left unserved',
    why: 'Processes that are replaced may lose what waits in their accept queues.',
    from: 'HAProxy reg-tests/seamless-reload/abns_socket.vtc, 50 requests behind a reload',
    async run(ground) {
      const load = await Load.start(ground)
      for (let i = 0; i < reloads; i++) {
        await sleep(500)
        if (!ground.running.reload()) {
          await load.stop()
          return none('it cannot reload')
        }
      }
      await sleep(1_000)
      await load.stop()
      const { served, refused, cut, unanswered } = load
      if (refused + cut + unanswered > 0) {
        return fail(
          `of some ${magnitude(served)}: ${refused} refused, ${cut} cut, ${unanswered} not answered`,
        )
      }
      return pass('all were served')
    },
  },
  {
    id: 'stop-keeps',
    title: 'a connection in use survives a graceful stop for 5 s',
    why: 'What is under way is let finish.',
    async run(ground) {
      const endpoint = ground.listening()
      await ground.start(endpoint)
      const { client, server } = await ground.pair(endpoint)
      if (!ground.running.stop()) return none('it has no graceful stop')
      await exchanges(client, server, survivesMs)
      return pass('survives')
    },
  },
  {
    id: 'stop-accepts',
    title: 'under load every connection during a graceful stop is either served or refused',
    why: 'Who is refused tries the next address. A connection that was accepted by the kernel, and reset when the listener closed, looks like a server that crashed.',
    choice:
      'When to stop accepting is a matter of taste: at once, or when load balancers had time to notice. spliceway goes on for 10 s (`drain.notReadyDelay`).',
    waits: true,
    async run(ground) {
      const load = await Load.start(ground)
      await sleep(500)
      if (!ground.running.stop()) {
        await load.stop()
        return none('it has no graceful stop')
      }
      const begunMs = performance.now()
      while (load.refused === 0 && performance.now() - begunMs < stopMs) await sleep(10)
      const tookMs = performance.now() - begunMs
      await load.stop()
      const { cut, unanswered } = load
      if (cut + unanswered > 0) return fail(`${cut} cut, ${unanswered} not answered`)
      return pass(tookMs < atOnceMs ? 'served, then refused at once' : 'served for a while, then refused')
    },
  },
]

/** A connection that is used ten times a second. */
async function exchanges(client: Wire, server: Wire, forMs: number): Promise<void> {
  const begunMs = performance.now()
  while (performance.now() - begunMs < forMs) {
    await client.send('a')
    await server.take(1, 2_000)
    await server.send('b')
    await client.take(1, 2_000)
    await sleep(100)
  }
}

/** Clients that connect, ask once, and leave, one after the other in a few loops. */
class Load {
  served = 0
  refused = 0
  /** Connected, and then ended without an answer. */
  cut = 0
  /** Connected, and for `patienceMs` without either. */
  unanswered = 0
  #over = false
  #loops: Promise<unknown> = Promise.resolve()

  static async start(ground: Ground): Promise<Load> {
    const load = new Load()
    const endpoint = ground.listening()
    await ground.start(endpoint)
    endpoint.serve(echo)
    load.#loops = Promise.all(Array.from({ length: loops }, () => load.#loop(ground)))
    return load
  }

  async stop(): Promise<void> {
    this.#over = true
    await this.#loops
  }

  async #loop(ground: Ground): Promise<void> {
    while (!this.#over) {
      const client = await ground.dial(ground.running.port)
      if (client === 'refused') {
        this.refused++
        await sleep(10)
        continue
      }
      client.offer(Buffer.from('?'))
      await happens(() => client.read(), patienceMs) // the answer, or the end
      if (client.size > 0) this.served++
      else if (client.ending === null) this.unanswered++
      else this.cut++
      client.close()
      await sleep(restMs)
    }
  }
}

function magnitude(count: number): number {
  return 10 ** Math.floor(Math.log10(Math.max(count, 1)))
}
