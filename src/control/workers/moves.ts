import type { AdoptedFrom, MovedSession } from '../../core/moved.ts'
import type { Threads } from './threads.ts'

/** What a worker has let go. */
export interface Detachment {
  readonly sessions: readonly MovedSession[]
  /** It has others that it could let go at once. */
  readonly more: boolean
}

/** In one message: a worker does nothing else while it begins them. */
const mostAtOnce = 256
const nothing: Detachment = { sessions: [], more: false }

/** Connections that leave the workers, for another process, and those that come to them. */
export class Moves {
  readonly #threads: Threads
  readonly #mistrust: () => void
  readonly #open = new Map<number, { readonly index: number; settle(detached: Detachment): void }>()
  #requests = 0
  #turn = 0
  /** Connections that left their worker and are neither with another process nor back. */
  #between = 0

  /** Of workers that died, waiting for one that lives; and those that are under way to worker by index. */
  #homeless: readonly MovedSession[] = []
  readonly #underWay = new Map<number, number>()

  /** `mistrust` is called when a move shows that the kernel's counters say something else than is so. */
  constructor(threads: Threads, mistrust: () => void) {
    this.#threads = threads
    this.#mistrust = mistrust
    threads.on('detached', (request, sessions, more) => this.#open.get(request)?.settle({ sessions, more }))
    threads.on('adopted', (index, from, count) => {
      if (from === 'worker') this.#arrived(index, count)
    })
    threads.on('died', (index, { sessions }) => {
      for (const open of [...this.#open.values()]) if (open.index === index) open.settle(nothing)
      // Those that it had not taken yet are in `sessions` again, or lost.
      this.#arrived(index, this.#underWay.get(index) ?? 0)
      this.#between += sessions.length
      this.#homeless = [...this.#homeless, ...sessions]
      this.house()
    })
  }

  /**
   * Connections that are with no worker and have not ended; while a worker is asked, one more: it may have
   * let its last one go already.
   */
  get between(): number {
    return this.#between + this.#open.size
  }

  /** Up to `most` connections of the worker whose turn it is; of the next one if it has none. As detach(). */
  async detachNext(most: number): Promise<readonly MovedSession[]> {
    const workers = [...this.#threads.alive()].sort((a, b) => a - b)
    for (let i = 0; i < workers.length; i++) {
      const index = workers[this.#turn++ % workers.length]
      if (index === undefined) break
      const { sessions } = await this.detach(index, most)
      if (sessions.length > 0) return sessions
    }
    return []
  }

  /**
   * Up to `most` connections of worker `index`; whoever gets them says departed() or adopt(). Never rejects.
   */
  detach(index: number, most: number): Promise<Detachment> {
    const { promise, resolve } = Promise.withResolvers<Detachment>()
    const request = ++this.#requests
    const settle = (detached: Detachment): void => {
      this.#open.delete(request)
      this.#between += detached.sessions.length
      this.#compare(detached.sessions)
      resolve(detached)
    }
    this.#open.set(request, { index, settle })
    if (!this.#threads.send(index, { kind: 'detach', request, most })) settle(nothing)
    return promise
  }

  /** Gives connections of dead workers to living ones that have a snapshot, as soon as there are any. */
  house(): void {
    const sessions = this.#homeless
    if (sessions.length === 0) return
    this.#homeless = []
    if (!this.adopt(sessions, 'worker')) this.#homeless = sessions
  }

  #arrived(index: number, count: number): void {
    this.#between -= count
    this.#underWay.set(index, (this.#underWay.get(index) ?? 0) - count)
  }

  /** So many that detach() gave are with another process now. */
  departed(count: number): void {
    this.#between -= count
  }

  /** So many that detach() gave go on here after all. */
  takeBack(sessions: readonly MovedSession[]): boolean {
    this.#between -= sessions.length
    return this.adopt(sessions)
  }

  /**
   * Spreads connections over the workers: each goes to the one that has the fewest. False: no worker is
   * alive, and they are still the caller's.
   */
  adopt(sessions: readonly MovedSession[], from: AdoptedFrom = 'process'): boolean {
    const workers = this.#threads.alive()
    if (workers.length === 0) return false
    this.#compare(sessions)
    const share = Math.ceil(sessions.length / workers.length)
    for (const [i, index] of workers.entries()) {
      const part = sessions.slice(i * share, (i + 1) * share)
      for (let at = 0; at < part.length; at += mostAtOnce) {
        this.#give(index, part.slice(at, at + mostAtOnce), from)
      }
    }
    return true
  }

  /** Whichever process has noticed: both run on the same host. */
  #compare(sessions: readonly MovedSession[]): void {
    if (sessions.some(({ relay }) => relay.countersAgree === false)) this.#mistrust()
  }

  #give(index: number, sessions: readonly MovedSession[], from: AdoptedFrom): void {
    if (from === 'worker') {
      this.#underWay.set(index, (this.#underWay.get(index) ?? 0) + sessions.length)
      for (const { descriptors, facts } of sessions)
        this.#threads.pairs.give(descriptors[0] ?? -1, index, facts.crashes)
    }
    this.#threads.send(index, { kind: 'adopt', from, sessions })
  }
}
