import type { Sample } from '../harness/rounds.ts'
import { percentile } from '../harness/statistics.ts'
import type { RunRecord, VisitRecord } from './record.ts'

/** "Around the fault": from a second before it is complete. */
const leadMs = 1_000
const aroundMs = 10_000
/** At the end of a run, for the shares of the nodes. */
const lastMs = 2_000

/** The figures of one run, by name. Times in ms unless their name says otherwise. */
export function figures(run: RunRecord): Sample {
  const [{ fromMs, completeMs }] = run.strikes
  const calm = openedIn(run.visits, run.calmFromMs, fromMs)
  const around = openedIn(run.visits, completeMs - leadMs, completeMs - leadMs + aroundMs)
  const failures = run.visits.filter(({ node }) => node === null)
  const failed = failures.filter((visit) => !inFlight(visit, run))
  const nodeNames = new Set(run.struck.map((at) => run.nodes[at] ?? ''))
  const lost = run.kept.filter(({ lostAtMs }) => lostAtMs !== null)
  const keptLost = lost.filter(({ node }) => node === null || !nodeNames.has(node)).length
  const syns = synsToStruck(run)
  return {
    visits: run.visits.length,
    failed: failed.length,
    lastFailedS: failed.length === 0 ? 0 : ((failed.at(-1)?.openedAtMs ?? 0) - completeMs) / 1000,
    inFlight: failures.length - failed.length,
    ...latencies('calm', calm),
    ...latencies('around', around),
    quietS: syns.quietMs / 1000,
    syns: syns.count,
    backMs: firstAnswerMs(run) - run.mendFromMs,
    keptStruck: run.kept.filter(({ node }) => node !== null && nodeNames.has(node)).length,
    keptStruckLost: lost.length - keptLost,
    ...known(run, nodeNames),
    keptLost,
    ...shares(run),
  }
}

/** Lost by a connection that may have been in the node when it was struck: nobody could have saved it. */
function inFlight({ openedAtMs, ms }: VisitRecord, { strikes }: RunRecord): boolean {
  return strikes.some(({ fromMs, completeMs }) => openedAtMs < completeMs && openedAtMs + ms >= fromMs)
}

function openedIn(visits: readonly VisitRecord[], fromMs: number, toMs: number): VisitRecord[] {
  return visits.filter(({ openedAtMs }) => openedAtMs >= fromMs && openedAtMs < toMs)
}

/** Time to first byte, of those that got one. */
function latencies(prefix: string, visits: readonly VisitRecord[]): Sample {
  const firsts = visits.map(({ firstMs }) => firstMs).filter((ms) => ms !== null)
  return Object.fromEntries(
    [
      ['p50', 0.5],
      ['p99', 0.99],
      ['p999', 0.999],
      ['max', 1],
    ].map(([name, share]) => [`${prefix}-${name}`, percentile(firsts, Number(share))]),
  )
}

/**
 * When those of the connections that stay whose node was struck knew that it is lost, in seconds from the fault: half of
 * them, and the last. One that did not know before the fault was over never does. Infinity: fewer than that.
 */
function known({ kept, strikes, mendFromMs }: RunRecord, nodeNames: ReadonlySet<string>): Sample {
  const [{ fromMs, completeMs }] = strikes
  const times = kept
    .filter(({ node }) => node !== null && nodeNames.has(node))
    .map(({ lostAtMs }) =>
      lostAtMs === null || lostAtMs < fromMs || lostAtMs > mendFromMs
        ? Number.POSITIVE_INFINITY
        : Math.max(0, lostAtMs - completeMs) / 1000,
    )
    .sort((a, b) => a - b)
  return {
    keptKnownHalfS: times[Math.ceil(times.length / 2) - 1] ?? Number.NaN,
    keptKnownAllS: times.at(-1) ?? Number.NaN,
  }
}

/** How long after the fault the struck nodes were still sent SYNs, by samples, and how many of them. */
function synsToStruck({ struck, strikes, mendedMs, syns }: RunRecord): { quietMs: number; count: number } {
  const [{ completeMs }] = strikes
  const during = syns
    .filter(({ atMs }) => atMs >= completeMs && atMs <= mendedMs)
    .map(({ atMs, counts }) => ({ atMs, total: struck.reduce((sum, at) => sum + (counts[at] ?? 0), 0) }))
  const last = during.at(-1)?.total ?? 0
  const reached = during.find(({ total }) => total === last)
  return { quietMs: (reached?.atMs ?? completeMs) - completeMs, count: last - (during[0]?.total ?? 0) }
}

/** When a client first got an answer after the end of the fault had begun. */
function firstAnswerMs({ visits, mendFromMs }: RunRecord): number {
  const answers = visits.flatMap(({ openedAtMs, firstMs }) => (firstMs === null ? [] : openedAtMs + firstMs))
  return answers
    .filter((atMs) => atMs > mendFromMs)
    .reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
}

/** `share-a`: per cent of the last connections. */
function shares({ visits, nodes, endMs }: RunRecord): Sample {
  const last = openedIn(visits, endMs - lastMs, endMs).filter(({ node }) => node !== null)
  return Object.fromEntries(
    nodes.map((name) => [
      `share-${name}`,
      (100 * last.filter(({ node }) => node === name).length) / last.length,
    ]),
  )
}
