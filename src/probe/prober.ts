import type { After } from '../core/after.ts'
import type { Verdict } from '../core/health.ts'
import type { EndpointId } from '../core/snapshot.ts'
import type { ProbeTarget } from './probe.ts'

export interface ProberDeps {
  /** Probes once; never rejects, and ends at once when the signal aborts. */
  readonly probe: (target: ProbeTarget, signal: AbortSignal) => Promise<Verdict>
  /** Told of the probes of an endpoint in the order in which they began. */
  readonly verdict: (pool: string, endpoint: EndpointId, verdict: Verdict) => void
  /** Whether the next probe of an endpoint is to come quickly. */
  readonly inDoubt: (pool: string, endpoint: EndpointId) => boolean
  readonly after: After
  /** Monotonic milliseconds. */
  readonly nowMs: () => number
  /** 0 to 1. */
  readonly random: () => number
}

/** First probes of many new endpoints begin this far apart at most, and all of them within `spreadMs`. */
const gapMs = 5
const spreadMs = 100

/**
 * Probes of one endpoint that are under way at once. Twice what the defaults need: 1 s of timeout every 250
 * ms.
 */
const mostUnderWay = 8

/**
 * One loop per endpoint: a probe at once, then one every interval ± 10 %, or every fast interval while the
 * endpoint is in doubt. Two are under way at once only then: one that hangs until its timeout must not delay
 * those that settle it.
 */
export class Prober {
  readonly #deps: ProberDeps
  #loops: ReadonlyMap<string, Loop> = new Map()
  #byEndpoint: ReadonlyMap<string, Loop> = new Map()

  constructor(deps: ProberDeps) {
    this.#deps = deps
  }

  /** Takes the endpoints to probe from now on. Loops whose target is unchanged go on undisturbed. */
  update(targets: readonly ProbeTarget[]): void {
    const loops = new Map<string, Loop>()
    const byEndpoint = new Map<string, Loop>()
    const begins: Loop[] = []
    for (const target of targets) {
      const key = targetKey(target)
      if (loops.has(key)) continue
      const known = this.#loops.get(key)
      const loop = known ?? new Loop(target, this.#deps)
      if (known === undefined) begins.push(loop)
      loops.set(key, loop)
      byEndpoint.set(endpointKey(target.pool, target.endpoint), loop)
    }
    for (const [key, loop] of this.#loops) if (!loops.has(key)) loop.stop()
    this.#loops = loops
    this.#byEndpoint = byEndpoint
    const stepMs = Math.min(gapMs, spreadMs / begins.length)
    for (const [index, loop] of begins.entries()) loop.begin(index * stepMs)
  }

  /** An endpoint is in doubt from now on. */
  hurry(pool: string, endpoint: EndpointId): void {
    this.#byEndpoint.get(endpointKey(pool, endpoint))?.hurry()
  }

  /** Ends all loops and every probe under way; no verdict comes any more. */
  stop(): void {
    this.update([])
  }
}

/** A probe, and what it has found; null: it is under way. */
interface Probe {
  found: Verdict | null
}

class Loop {
  readonly #target: ProbeTarget
  readonly #deps: ProberDeps
  readonly #stopping = new AbortController()
  /** Of which no verdict was told, in the order in which they began. */
  readonly #untold: Probe[] = []
  #underWay = 0
  /** When the latest one began; null: none has. */
  #beganMs: number | null = null
  /** The next one is planned for the fast interval. */
  #isQuick = false
  #cancel: () => void = () => {}

  constructor(target: ProbeTarget, deps: ProberDeps) {
    this.#target = target
    this.#deps = deps
  }

  begin(delayMs: number): void {
    if (delayMs > 0) this.#cancel = this.#deps.after(delayMs, () => void this.#probe())
    else void this.#probe()
  }

  /** It is in doubt from now on: the next probe may be due sooner. */
  hurry(): void {
    // Not again: signs may come faster than a timer fires.
    if (this.#beganMs !== null && !this.#isQuick) this.#plan(this.#beganMs)
  }

  stop(): void {
    this.#cancel()
    this.#stopping.abort()
  }

  async #probe(): Promise<void> {
    const one: Probe = { found: null }
    this.#untold.push(one)
    this.#underWay++
    this.#beganMs = this.#deps.nowMs()
    this.#plan(this.#beganMs)
    one.found = await this.#deps.probe(this.#target, this.#stopping.signal)
    this.#underWay--
    this.#tell()
    this.#plan(this.#beganMs)
  }

  /** Verdicts wait for those of the probes before: a late timeout is older than a quick answer. */
  #tell(): void {
    const { pool, endpoint } = this.#target
    for (let found = this.#untold[0]?.found; found; found = this.#untold[0]?.found) {
      if (this.#stopping.signal.aborted) return
      this.#untold.shift()
      this.#deps.verdict(pool, endpoint, found)
    }
  }

  /**
   * From start to start, so that `fall` × interval is the time to detection whether probes are refused or
   * time out.
   */
  #plan(beganMs: number): void {
    const { after, nowMs, random, inDoubt } = this.#deps
    const { pool, endpoint, health } = this.#target
    this.#cancel()
    this.#isQuick = false
    if (this.#stopping.signal.aborted) return
    const quick = inDoubt(pool, endpoint)
    if (this.#underWay >= (quick ? mostUnderWay : 1)) return // its end schedules the next one
    this.#isQuick = quick
    const intervalMs = quick ? health.fastIntervalMs : health.intervalMs
    const restMs = beganMs + intervalMs * (0.9 + 0.2 * random()) - nowMs()
    this.#cancel = after(Math.max(0, restMs), () => void this.#probe())
  }
}

/** Everything that a probe depends on: a change of any of it begins a new loop. */
function targetKey({ pool, endpoint, health, proxyProtocol }: ProbeTarget): string {
  return JSON.stringify([pool, endpoint, health, proxyProtocol])
}

function endpointKey(pool: string, endpoint: EndpointId): string {
  return `${endpoint}\0${pool}`
}
