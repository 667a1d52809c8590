import type { Answer } from './admin/source.ts'
import type { DrainConfig } from './config/config.ts'
import { drain } from './control/drain.ts'
import type { DataPlane } from './control/workers/data-plane.ts'
import type { After } from './core/after.ts'
import type { Log } from './core/log.ts'
import { durationText } from './core/wording.ts'

/** A stop that is under way and takes at most `deadlineMs`. */
export interface Draining {
  readonly done: Promise<void>
  readonly deadlineMs: number
}

export interface StopOptions {
  readonly config: () => DrainConfig
  readonly log: Log
  readonly after: After
  readonly nowMs: () => number
  readonly dataPlane: DataPlane
  /** Not all listeners accept yet. */
  readonly starting: () => boolean
  /** Another process accepts in our place, or will when we have gone. */
  readonly relieved: () => boolean
}

/** The end of the program: asked for by a person or begun by a hand-over, and begun once. */
export class Stop {
  readonly #options: StopOptions
  readonly #begun = Promise.withResolvers<Draining>()
  #endMs: number | null = null
  #state: 'none' | 'begun' = 'none'
  #asked = false
  #failed = false

  constructor(options: StopOptions) {
    this.#options = options
  }

  get begun(): boolean {
    return this.#state === 'begun'
  }

  /** Somebody has asked for it; one that a hand-over began does not count. */
  get asked(): boolean {
    return this.#asked
  }

  /** It was begun by a fault, or because the process that this one took over from serves again. */
  get failed(): boolean {
    return this.#failed
  }

  /** Resolves when it has begun, by a signal, the admin socket or a hand-over. */
  get draining(): Promise<Draining> {
    return this.#begun.promise
  }

  /** Time left until it is over at the latest; null: it has not begun. */
  get endsInMs(): number | null {
    return this.#endMs === null ? null : Math.max(0, this.#endMs - this.#options.nowMs())
  }

  /**
   * Begins the stop of case 17 (docs/contract.md); `hurry` leaves out the time for load balancers to notice.
   */
  ask(hurry: boolean): Answer {
    const { starting, relieved, config } = this.#options
    this.#asked = true
    if (this.begun) return { ok: true, message: 'draining already' }
    this.#begin(hurry || starting() || relieved())
    const { deadlineMs } = config()
    return {
      ok: true,
      message: `draining: ends when the last connection does, within ${durationText(deadlineMs)}`,
    }
  }

  /** A successor serves. */
  leave(): void {
    this.#begin(true)
  }

  /** This process cannot stay; connections end as in any stop. */
  fail(why: string): void {
    this.#failed = true
    this.#options.log.error({}, `this process ends: ${why}`)
    this.#begin(true)
  }

  #begin(hurry: boolean): void {
    if (this.begun) return
    this.#state = 'begun'
    const { log, after, nowMs, dataPlane, relieved } = this.#options
    const config = this.#options.config()
    this.#endMs = nowMs() + config.deadlineMs
    log.info(
      { deadlineMs: config.deadlineMs },
      `draining: not ready any more; ends within ${durationText(config.deadlineMs)}`,
    )
    const done = drain({
      config: hurry ? { ...config, notReadyDelayMs: 0 } : config,
      log,
      after,
      nowMs,
      active: () => dataPlane.active,
      relieved: () => hurry || relieved(),
      stopAccepting: () => dataPlane.stopAccepting(),
      retire: (windowMs, idleAfterMs) => dataPlane.retire(null, windowMs, idleAfterMs, 'admin'),
      kill: () => dataPlane.kill(null, 'admin'),
    })
    this.#begun.resolve({ done, deadlineMs: config.deadlineMs })
  }
}
