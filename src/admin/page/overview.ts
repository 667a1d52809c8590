import type { Readiness } from '../../core/readiness.ts'
import type { Status } from '../../core/status.ts'
import type { History, Past } from '../history.ts'
import type { AdminSource } from '../source.ts'
import type { Finding } from './finding.ts'
import { findingsOf } from './findings.ts'

/**
 * `GET /overview`: one picture for the page, all of it of the same moment. It changes with the page; programs
 * read `/status`.
 */
export interface Overview {
  /** Of this host's clock, in ms since 1970. */
  readonly atMs: number
  readonly ready: Readiness
  readonly findings: readonly Finding[]
  readonly past: Past
  readonly status: Status
}

export function overview(app: AdminSource, history: History, nowMs: number, atMs: number): Overview {
  const status = app.status()
  const ready = app.ready()
  const past = history.past(nowMs)
  return { atMs, ready, findings: findingsOf(status, ready, past), past, status }
}
