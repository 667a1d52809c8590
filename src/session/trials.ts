import type { EndpointSnapshot, PoolSnapshot } from '../core/snapshot.ts'
import type { Wire } from '../plane/plane.ts'
import { Attempt, type AttemptOwner } from './attempt.ts'
import type { SessionContext, SuspectTrials } from './context.ts'

/**
 * Dials that ask suspect endpoints whether they are back, beside a client's own dial and in nobody's way: at
 * most one to an endpoint at a time, over all workers. Their connections are closed unused.
 */
export class Trials<W extends Wire> implements SuspectTrials<W>, AttemptOwner<W> {
  readonly #underWay = new Set<Attempt<W>>()
  #stopped = false

  begin(context: SessionContext<W>, pool: PoolSnapshot, endpoint: EndpointSnapshot): void {
    if (this.#stopped || !context.tally.beginTrial(endpoint.slot)) return
    const { timeoutMs } = pool.connect
    const plan = {
      pool,
      forClient: false,
      from: null,
      hedgeMs: timeoutMs,
      limitMs: timeoutMs,
      budgeted: false,
      sourcesLeft: 1,
      trial: true,
    }
    this.#underWay.add(new Attempt(context, endpoint, this, plan))
  }

  stop(): void {
    this.#stopped = true
    for (const attempt of this.#underWay) attempt.cancel()
    this.#underWay.clear()
  }

  connected(attempt: Attempt<W>, wire: W): void {
    this.#underWay.delete(attempt)
    wire.close()
  }

  failed(attempt: Attempt<W>): void {
    this.#underWay.delete(attempt)
  }

  /** The endpoint is already suspect, so no hedge is needed. */
  unanswered(): void {}
}
