import { type Case, Fault, fail, type Verdict } from './case.ts'
import { type Clock, Ground } from './ground.ts'
import type { Peer } from './peer.ts'
import type { Sockets } from './sockets.ts'
import { SharedStand } from './stand.ts'

/** More would be somebody's default timeout, not an answer. */
const limitMs = 60_000

/** Told of each case when it is over. */
export type Judged = (one: Case, verdict: Verdict, tookMs: number) => void

/** One run of cases against one peer. */
export class Judge {
  readonly #peer: Peer
  readonly #sockets: Sockets
  readonly #shared: SharedStand
  /** Those that are under way, so that nothing is left however the run ends. */
  readonly #grounds = new Set<Ground>()

  constructor(peer: Peer, sockets: Sockets) {
    this.#peer = peer
    this.#sockets = sockets
    this.#shared = new SharedStand(peer, sockets)
  }

  /**
   * All of `cases`, in their order; those that wait run beside each other, after the others. Throws when the peer does not
   * start, or a case itself is wrong. Once.
   */
  async judge(cases: readonly Case[], judged: Judged): Promise<ReadonlyMap<string, Verdict>> {
    const verdicts = new Map<string, Verdict>()
    const run = async (one: Case): Promise<void> => {
      const begunMs = performance.now()
      const verdict = await this.#one(one)
      if (verdict.kind === 'fail') this.#shared.retire()
      verdicts.set(one.id, verdict)
      judged(one, verdict, performance.now() - begunMs)
    }
    try {
      for (const one of cases) if (one.waits !== true) await run(one)
      await Promise.all(cases.filter((one) => one.waits === true).map(run))
    } finally {
      await this.#shared.close()
    }
    return verdicts
  }

  /** Ends every process that is left, without waiting. */
  closeAtOnce(): void {
    for (const ground of this.#grounds) ground.closeAtOnce()
    this.#shared.closeAtOnce()
  }

  async #one(one: Case): Promise<Verdict> {
    const { promise: late, resolve } = Promise.withResolvers<Verdict>()
    const most = one.limitMs ?? limitMs
    let timer: NodeJS.Timeout | undefined
    const clock: Clock = {
      stop: () => clearTimeout(timer),
      start() {
        clearTimeout(timer)
        timer = setTimeout(() => resolve(fail(`not over within ${most / 1_000} s`)), most)
      },
    }
    clock.start()
    const ground = new Ground(this.#peer, this.#sockets, this.#shared, clock)
    this.#grounds.add(ground)
    const running = one.run(ground).catch((error: unknown): Verdict => {
      if (error instanceof Fault) return fail(error.message)
      throw error
    })
    running.catch(() => {}) // after its time nobody listens
    try {
      return await Promise.race([running, late])
    } finally {
      clock.stop()
      await ground.close()
      this.#grounds.delete(ground)
    }
  }
}
