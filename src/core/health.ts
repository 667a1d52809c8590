/** What one probe found. */
export type Verdict =
  /**
   * `detail` says what answered, for people: `tcp: connected in 0.4 ms`. `spoke`: the endpoint itself sent
   * something, so it is not only its kernel that answers.
   */
  | { readonly ok: true; readonly ms: number; readonly detail: string; readonly spoke: boolean }
  /**
   * `reason` begins with the kind of probe: `tcp: connection refused`. `fault` is local when this machine
   * could not even try (no descriptors, no ports): such a verdict says nothing about the endpoint.
   */
  | { readonly ok: false; readonly reason: string; readonly fault: 'endpoint' | 'local' }

/** What active probes say of an endpoint. */
export type Health =
  /** No probe has answered yet: used like up. */
  | { readonly kind: 'unknown' }
  /** `failures`: failed probes in a row, fewer than `fall`. `last`: the last probe's answer, good or bad. */
  | { readonly kind: 'up'; readonly sinceMs: number; readonly failures: number; readonly last: string }
  /** `successes`: good probes in a row, fewer than `rise`. `reason`: why the last failed probe failed. */
  | { readonly kind: 'down'; readonly sinceMs: number; readonly successes: number; readonly reason: string }

/** How many equal verdicts in a row it takes; both at least 1. */
export interface Thresholds {
  readonly fall: number
  readonly rise: number
}

/**
 * The state after one more probe. `fall` failures in a row make an endpoint down, `rise` successes in a row
 * make it up; a single opposite verdict starts the count again. The first verdict of all decides at once:
 * there is no earlier state to protect from a blip, and a start must not send clients to an endpoint that was
 * never alive.
 */
export function probed(state: Health, verdict: Verdict, { fall, rise }: Thresholds, nowMs: number): Health {
  if (!verdict.ok && verdict.fault === 'local') return state
  switch (state.kind) {
    case 'unknown':
      return verdict.ok ? up(verdict.detail, nowMs) : down(verdict.reason, nowMs)
    case 'up': {
      if (verdict.ok) return { ...state, failures: 0, last: verdict.detail }
      const failures = state.failures + 1
      return failures >= fall
        ? down(verdict.reason, nowMs)
        : { ...state, failures, last: `${verdict.reason} (${failures} of ${fall} probes failed)` }
    }
    case 'down': {
      if (!verdict.ok) return { ...state, successes: 0, reason: verdict.reason }
      const successes = state.successes + 1
      return successes >= rise ? up(verdict.detail, nowMs) : { ...state, successes }
    }
  }
}

function up(detail: string, nowMs: number): Health {
  return { kind: 'up', sinceMs: nowMs, failures: 0, last: detail }
}

function down(reason: string, nowMs: number): Health {
  return { kind: 'down', sinceMs: nowMs, successes: 0, reason }
}
