import type { AttemptError } from './outcome.ts'

/**
 * Passive health: what real connections say of an endpoint.
 *
 * An endpoint whose dials fail `consecutiveFailures` times in a row is ejected, and so is one that cuts off
 * as many connections in a row: that resets them before their first byte. A dial that connects ends the first
 * row and not the second, because a dead process behind a living load balancer is connected to; the second
 * one ends when a connection is served. The n-th ejection lasts `baseEjectionMs` × n, at most
 * `maxEjectionMs`, shortened by a random part of up to a tenth so that endpoints that failed together do not
 * come back together. n falls by one for each whole `baseEjectionMs` that the endpoint has been in use since
 * it came back (Envoy's rule, with the base as the interval), and to zero when it was down and probes bring
 * it up again. An ejection ends early when `rise` probes in a row have succeeded since it began: one alone
 * says nothing of an endpoint that comes and goes.
 */
export type Outlier =
  /** `failures`: failed dials in a row. `ejections`: n of the last ejection, before it falls with time. */
  | {
      readonly kind: 'in'
      readonly sinceMs: number
      readonly failures: number
      readonly cutOffs: CutOffs
      readonly ejections: number
    }
  /**
   * `failures`: the row that ejected it, of dials or of cut-offs. `reason`: how the last dial failed, an
   * errno name.
   */
  | {
      readonly kind: 'ejected'
      readonly sinceMs: number
      readonly untilMs: number
      readonly failures: number
      readonly ejections: number
      readonly by: 'dials' | 'cut-offs'
      readonly reason: string
      /** Probes in a row that succeeded since it was ejected. */
      readonly vouched: number
    }

/** `count` in a row. `served`: connections that the endpoint had served by the last one. */
export interface CutOffs {
  readonly count: number
  readonly served: number
}

export interface EjectionRule {
  readonly consecutiveFailures: number
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
}

/** The state of an endpoint that nothing is known of. */
export function blameless(nowMs: number): Outlier {
  return { kind: 'in', sinceMs: nowMs, failures: 0, cutOffs: noCutOffs, ejections: 0 }
}

const noCutOffs: CutOffs = { count: 0, served: 0 }

/**
 * Endpoints of a pool that may be ejected at once: half, rounded down, so that a single endpoint never is.
 */
export function maxEjected(poolSize: number): number {
  return Math.floor(poolSize / 2)
}

/** False when the cause is on this machine: no descriptors, no local ports. */
export function blames(error: AttemptError): boolean {
  return error.reason !== 'local' && error.reason !== 'ports-exhausted' && error.reason !== 'busy'
}

/**
 * The state after a dial that connected. One that was ejected stays so: the dial may be older than the
 * ejection.
 */
export function connected(state: Outlier): Outlier {
  return state.kind === 'in' && state.failures > 0 ? { ...state, failures: 0 } : state
}

/**
 * The state after a dial that failed by the endpoint's fault. `room`: the pool may eject one more; without
 * room the failures are counted on, and the next one asks again. `random`: 0 to 1.
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
  return ejected(state, 'dials', failures, reason, rule, random, nowMs)
}

/**
 * The state after a connection that it reset before the first byte. `served`: by now; the rest as in
 * failed().
 */
export function cutOff(
  state: Outlier,
  served: number,
  rule: EjectionRule,
  room: boolean,
  random: number,
  nowMs: number,
): Outlier {
  if (state.kind === 'ejected') return state
  const count = served === state.cutOffs.served ? state.cutOffs.count + 1 : 1
  if (count < rule.consecutiveFailures || !room) return { ...state, cutOffs: { count, served } }
  return ejected(state, 'cut-offs', count, 'ECONNRESET', rule, random, nowMs)
}

function ejected(
  state: Outlier & { kind: 'in' },
  by: 'dials' | 'cut-offs',
  failures: number,
  reason: string,
  rule: EjectionRule,
  random: number,
  nowMs: number,
): Outlier {
  // Beyond the cap n would have no effect except taking longer to fall again, so it stops growing there.
  const cap = Math.ceil(rule.maxEjectionMs / rule.baseEjectionMs)
  const ejections = Math.min(cap, remembered(state.ejections, state.sinceMs, rule, nowMs) + 1)
  const fullMs = Math.min(rule.baseEjectionMs * ejections, rule.maxEjectionMs)
  const untilMs = nowMs + Math.round(fullMs * (1 - random / 10))
  return { kind: 'ejected', sinceMs: nowMs, untilMs, failures, ejections, by, reason, vouched: 0 }
}

/**
 * The state after a probe. `spoke`: it was answered by the port that clients are sent to, not by its kernel
 * alone.
 */
export function probedOutlier(state: Outlier, ok: boolean, spoke: boolean): Outlier {
  if (state.kind === 'in') return ok && spoke ? { ...state, cutOffs: noCutOffs } : state
  if (!ok) return { ...state, vouched: 0 }
  return state.by === 'dials' || spoke ? { ...state, vouched: state.vouched + 1 } : state
}

/** The state after an ejection's time is over, or cut short. */
export function returned(state: Outlier, nowMs: number): Outlier {
  return { kind: 'in', sinceMs: nowMs, failures: 0, cutOffs: noCutOffs, ejections: state.ejections }
}

/** What is left of n after the time in use since `sinceMs`. */
function remembered(ejections: number, sinceMs: number, rule: EjectionRule, nowMs: number): number {
  return Math.max(0, ejections - Math.floor((nowMs - sinceMs) / rule.baseEjectionMs))
}
