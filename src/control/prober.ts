import type { Verdict } from '../core/health.ts'
import type { EndpointId } from '../core/snapshot.ts'
import type { After } from './after.ts'
import type { ProbeTarget } from './probe.ts'

export interface ProberDeps {
  /** Probes once; never rejects, and ends at once when the signal aborts. */
  readonly probe: (target: ProbeTarget, signal: AbortSignal) => Promise<Verdict>
  readonly verdict: (pool: string, endpoint: EndpointId, verdict: Verdict) => void
  readonly after: After
  /** Monotonic milliseconds. */
  readonly nowMs: () => number
  /** 0 to 1. */
  readonly random: () => number
}

/** First probes of many new endpoints begin this far apart at most, and all of them within `spreadMs`. */
const gapMs = 5
const spreadMs = 100

/** One loop per endpoint: a probe at once, then one every interval ± 10 %, never two of one endpoint at a time. */
export class Prober {
  readonly #deps: ProberDeps
  #loops: ReadonlyMap<string, Loop> = new Map()

  constructor(deps: ProberDeps) {
    this.#deps = deps
  }

  /** Takes the endpoints to probe from now on. Loops whose target is unchanged go on undisturbed. */
  update(targets: readonly ProbeTarget[]): void {
    const loops = new Map<string, Loop>()
    const begins: Loop[] = []
    for (const target of targets) {
      const key = targetKey(target)
      if (loops.has(key)) continue
      const known = this.#loops.get(key)
      const loop = known ?? new Loop(target, this.#deps)
      if (known === undefined) begins.push(loop)
      loops.set(key, loop)
    }
    for (const [key, loop] of this.#loops) if (!loops.has(key)) loop.stop()
    this.#loops = loops
    const stepMs = Math.min(gapMs, spreadMs / begins.length)
    for (const [index, loop] of begins.entries()) loop.begin(index * stepMs)
  }

  /** Ends all loops and every probe under way; no verdict comes any more. */
  stop(): void {
    this.update([])
  }
}

class Loop {
  readonly #target: ProbeTarget
  readonly #deps: ProberDeps
  readonly #stopping = new AbortController()
  #cancel: () => void = () => {}

  constructor(target: ProbeTarget, deps: ProberDeps) {
    this.#target = target
    this.#deps = deps
  }

  begin(delayMs: number): void {
    if (delayMs > 0) this.#cancel = this.#deps.after(delayMs, () => void this.#round())
    else void this.#round()
  }

  stop(): void {
    this.#cancel()
    this.#stopping.abort()
  }

  async #round(): Promise<void> {
    const { probe, verdict, after, nowMs, random } = this.#deps
    const { pool, endpoint, health } = this.#target
    const startedMs = nowMs()
    const found = await probe(this.#target, this.#stopping.signal)
    if (this.#stopping.signal.aborted) return
    verdict(pool, endpoint, found)
    // From start to start, so that `fall` × interval is the time to detection whether probes are refused or time out.
    const restMs = health.intervalMs * (0.9 + 0.2 * random()) - (nowMs() - startedMs)
    if (!this.#stopping.signal.aborted) this.#cancel = after(Math.max(0, restMs), () => void this.#round())
  }
}

/** Everything that a probe depends on: a change of any of it begins a new loop. */
function targetKey({ pool, endpoint, health, proxyProtocol }: ProbeTarget): string {
  return JSON.stringify([pool, endpoint, health, proxyProtocol])
}
