/** Of a second's connections, how many may be dialed once more at one time. As Envoy's retry budget. */
const share = 0.2
/** Where there is little traffic, so many at a time. As Envoy's too. */
const least = 3
/** What counts as recent. */
const windowMs = 1_000

/**
 * How many dials beyond a connection's first and its first alternative may be under way, of one pool in one worker: when a
 * pool fails, the endpoints that are left must not get a multiple of the traffic.
 */
export class RetryBudget {
  #underWay = 0
  #windowAtMs = Number.NEGATIVE_INFINITY
  #now = 0
  #before = 0

  /** A connection has begun. */
  began(nowMs: number): void {
    this.#turn(nowMs)
    this.#now++
  }

  /** True: one more dial may begin; end() it. */
  take(nowMs: number): boolean {
    this.#turn(nowMs)
    const passed = (nowMs - this.#windowAtMs) / windowMs
    const recent = this.#now + this.#before * (1 - passed)
    if (this.#underWay >= Math.max(least, share * recent)) return false
    this.#underWay++
    return true
  }

  /** A dial that take() allowed is over. */
  end(): void {
    this.#underWay--
  }

  #turn(nowMs: number): void {
    const windows = Math.floor((nowMs - this.#windowAtMs) / windowMs)
    if (windows < 1) return
    this.#before = windows === 1 ? this.#now : 0
    this.#now = 0
    this.#windowAtMs = windows === 1 ? this.#windowAtMs + windowMs : nowMs
  }
}
