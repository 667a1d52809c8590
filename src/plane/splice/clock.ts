import type { Cancel } from '../plane.ts'

/** Timers fire at most this late (and never early). */
const tickMs = 4
/** One round of the wheel: about a second; later timers wait for their round. */
const slots = 256

interface Timer {
  readonly atTick: number
  fire: (() => void) | null
  slot: number
  index: number
}

/**
 * The plane's time: read once a batch, and one wheel of timers. While the thread is blocked in epoll_wait
 * nothing of libuv's fires, so every deadline of a session and of a relay is here, and the next one is the
 * wait's timeout.
 */
export class Clock {
  nowMs: number
  readonly #source: () => number
  readonly #wheel: Timer[][] = Array.from({ length: slots }, () => [])
  #size = 0
  #firedTick: number
  /** Nothing is due before this tick; it may be early, when timers were cancelled. */
  #soonestTick = Number.POSITIVE_INFINITY

  constructor(source: () => number) {
    this.#source = source
    this.nowMs = source()
    this.#firedTick = Math.floor(this.nowMs / tickMs)
  }

  read(): number {
    this.nowMs = this.#source()
    return this.nowMs
  }

  after(ms: number, fire: () => void): Cancel {
    const atTick = Math.max(this.#firedTick + 1, Math.ceil((this.#source() + ms) / tickMs))
    const slot = atTick % slots
    const timers = this.#wheel[slot] ?? []
    const timer: Timer = { atTick, fire, slot, index: timers.length }
    timers.push(timer)
    this.#size++
    if (atTick < this.#soonestTick) this.#soonestTick = atTick
    return () => this.#cancel(timer)
  }

  /** How long nothing is due, at most `mostMs`. */
  waitMs(mostMs: number): number {
    return Math.max(0, Math.min(mostMs, Math.ceil(this.#soonestTick * tickMs - this.nowMs)))
  }

  /** Fires what is due at nowMs. */
  fire(): void {
    const tick = Math.floor(this.nowMs / tickMs)
    if (tick < this.#soonestTick) return
    this.#firedTick = this.#size === 0 ? tick : Math.max(this.#firedTick, tick - slots)
    while (this.#firedTick < tick) {
      this.#firedTick++
      const timers = this.#wheel[this.#firedTick % slots] ?? []
      // From behind: a timer that is taken out is replaced by one that was looked at.
      for (let i = timers.length - 1; i >= 0; i--) {
        const timer = timers[i]
        if (timer === undefined || timer.atTick > this.#firedTick) continue
        const { fire } = timer
        this.#cancel(timer)
        fire?.()
      }
    }
    this.#soonestTick = this.#soonest()
  }

  #soonest(): number {
    if (this.#size === 0) return Number.POSITIVE_INFINITY
    for (let ahead = 1; ahead <= slots; ahead++) {
      const tick = this.#firedTick + ahead
      if (this.#wheel[tick % slots]?.some((timer) => timer.atTick === tick)) return tick
    }
    return this.#firedTick + slots
  }

  #cancel(timer: Timer): void {
    if (timer.fire === null) return
    timer.fire = null
    const timers = this.#wheel[timer.slot] ?? []
    const last = timers.pop()
    this.#size--
    if (last === undefined || last === timer) return
    timers[timer.index] = last
    last.index = timer.index
  }
}
