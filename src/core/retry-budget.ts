/** The part of a second's connections that may be dialed once more, as in Envoy's retry budget. */
const retryFraction = 0.2
/** The minimum where there is little traffic, also as in Envoy. */
const least = 3

/**
 * How many dials beyond a connection's first and its first alternative may be under way, or begin within a
 * second, of one pool in one worker: when a pool fails, the endpoints that are left must not get a multiple
 * of the traffic. Both, because a dial that is refused takes no time, and one without an answer takes many
 * seconds.
 */
export class RetryBudget {
  #underWay = 0
  readonly #connections = new LastSecond()
  readonly #retries = new LastSecond()

  /** A connection has begun. */
  began(nowMs: number): void {
    this.#connections.add(nowMs)
  }

  /** True: one more dial may begin; end() it. */
  take(nowMs: number): boolean {
    const most = Math.max(least, retryFraction * this.#connections.count(nowMs))
    if (Math.max(this.#underWay, this.#retries.count(nowMs)) + 1 > most) return false
    this.#retries.add(nowMs)
    this.#underWay++
    return true
  }

  /** A dial that take() allowed is over. */
  end(): void {
    this.#underWay--
  }
}

const windowMs = 1_000

/**
 * How often something happened in the last second, as if what is older than this window's begin had come
 * evenly.
 */
class LastSecond {
  #beganMs = Number.NEGATIVE_INFINITY
  #now = 0
  #before = 0

  add(nowMs: number): void {
    this.#turn(nowMs)
    this.#now++
  }

  count(nowMs: number): number {
    this.#turn(nowMs)
    return this.#now + this.#before * (1 - (nowMs - this.#beganMs) / windowMs)
  }

  #turn(nowMs: number): void {
    const windows = Math.floor((nowMs - this.#beganMs) / windowMs)
    if (windows < 1) return
    this.#before = windows === 1 ? this.#now : 0
    this.#now = 0
    this.#beganMs = windows === 1 ? this.#beganMs + windowMs : nowMs
  }
}
