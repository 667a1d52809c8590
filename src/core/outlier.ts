import type { AttemptError } from './outcome.ts'

/**
 * Passive health: what the dials of real connections say of an endpoint.
 *
 * An endpoint whose dials fail `consecutiveFailures` times in a row is ejected. The n-th ejection lasts `baseEjectionMs`
 * × n, at most `maxEjectionMs`, shortened by a random part of up to a tenth so that endpoints that failed together do
 * not come back together. n falls by one for each whole `baseEjectionMs` that the endpoint has been in use since it came
 * back (Envoy's rule, with the base as the interval), and to zero when it was down and probes bring it up again. An ejection
 * ends early when `rise` probes in a row have succeeded since it began: one alone says nothing of an endpoint that comes
 * and goes.
 */
export type Outlier =
  /** `failures`: failed dials in a row. `ejections`: n of the last ejection, before it falls with time. */
  | { readonly kind: 'in'; readonly sinceMs: number; readonly failures: number; readonly ejections: number }
  /** `reason`: how its last dial failed, an errno name. */
  | {
      readonly kind: 'ejected'
      readonly sinceMs: number
      readonly untilMs: number
      readonly failures: number
      readonly ejections: number
      readonly reason: string
      /** Probes in a row that succeeded since it was ejected. */
      readonly vouched: number
    }

export interface EjectionRule {
  readonly consecutiveFailures: number
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
}

/** An endpoint without a past. */
export function blameless(nowMs: number): Outlier {
  return { kind: 'in', sinceMs: nowMs, failures: 0, ejections: 0 }
}

/** Endpoints of a pool that may be ejected at once: half, rounded down, so that a single endpoint never is. */
export function maxEjected(poolSize: number): number {
  return Math.floor(poolSize / 2)
}

/** False for what is this machine's own trouble: no descriptors, no local ports. */
export function blames(error: AttemptError): boolean {
  return error.reason !== 'local' && error.reason !== 'ports-exhausted'
}

/** The state after a dial that connected. One that was ejected stays so: the dial may be older than the ejection. */
export function connected(state: Outlier): Outlier {
  return state.kind === 'in' && state.failures > 0 ? { ...state, failures: 0 } : state
}

/**
 * The state after a dial that failed by the endpoint's fault. `room`: the pool may eject one more; without room the
 * failures are counted on, and the next one asks again. `random`: 0 to 1.
 */
export function failed(
  state: Outlier,
  reason: string,
  rule: EjectionRule,
  room: boolean,
  random: number,
  nowMs: number,
): Outlier {
  if (state.kind === 'ejected') return state
  const failures = state.failures + 1
  if (failures < rule.consecutiveFailures || !room) return { ...state, failures }
  // Past the cap n has no effect but would take longer to fall: it stops growing there.
  const cap = Math.ceil(rule.maxEjectionMs / rule.baseEjectionMs)
  const ejections = Math.min(cap, remembered(state.ejections, state.sinceMs, rule, nowMs) + 1)
  const fullMs = Math.min(rule.baseEjectionMs * ejections, rule.maxEjectionMs)
  const untilMs = nowMs + Math.round(fullMs * (1 - random / 10))
  return { kind: 'ejected', sinceMs: nowMs, untilMs, failures, ejections, reason, vouched: 0 }
}

/** The state after a probe. */
export function probedOutlier(state: Outlier, ok: boolean): Outlier {
  return state.kind === 'ejected' ? { ...state, vouched: ok ? state.vouched + 1 : 0 } : state
}

/** The state after an ejection's time is over, or cut short. */
export function returned(state: Outlier, nowMs: number): Outlier {
  return { kind: 'in', sinceMs: nowMs, failures: 0, ejections: state.ejections }
}

/** What is left of n after the time in use since `sinceMs`. */
function remembered(ejections: number, sinceMs: number, rule: EjectionRule, nowMs: number): number {
  return Math.max(0, ejections - Math.floor((nowMs - sinceMs) / rule.baseEjectionMs))
}
