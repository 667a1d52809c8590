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
  const findings = findingsOf(status, ready, past, logCommand(process.env))
  return { atMs, ready, findings, past, status }
}

/** How this process's warnings are read; null: whoever started it has its output. */
export function logCommand(env: Readonly<Record<string, string | undefined>>): string | null {
  // By the label of our manifests: on the host's network HOSTNAME is the node's, not the Pod's.
  if (env.KUBERNETES_SERVICE_HOST !== undefined)
    return 'kubectl -n spliceway logs -l app.kubernetes.io/name=spliceway --since=5m'
  return env.INVOCATION_ID === undefined ? null : 'journalctl -u spliceway -p warning --since=-5min'
}
