import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type Group, svg } from './chart-svg.ts'
import type { Recorded } from './harness/report.ts'

/** What is drawn, from top to bottom. */
const groups: readonly Omit<Group, 'rows'>[] = [
  {
    title: 'CPU time of the forwarder',
    better: 'less',
    labels: {
      'requests-cpu': 'a small request, connection stays',
      'connections-cpu': 'a new connection with one exchange',
      'wrk-close-8': 'a new connection, wrk with 8',
      'wrk-close-64': 'a new connection, wrk with 64',
      'wrk-keep-alive-8': 'a request, connection stays, wrk with 8',
      'wrk-keep-alive-64': 'a request, connection stays, wrk with 64',
      'veth-up-cpu': 'bulk between hosts (veth), up',
      'veth-down-cpu': 'bulk between hosts (veth), down',
      'lo-up-cpu': 'bulk over loopback, up',
      'lo-down-cpu': 'bulk over loopback, down',
    },
  },
  {
    title: 'Latency and memory',
    better: 'less',
    labels: {
      'latency-p99': 'p99 at 5,000 requests/s',
      'banner-p50': 'first words of the server, p50',
      'memory-idle': 'an idle connection, resident',
    },
  },
  {
    title: 'Throughput on one core',
    better: 'more',
    labels: {
      'veth-up-throughput': 'bulk between hosts (veth), up',
      'veth-down-throughput': 'bulk between hosts (veth), down',
      'lo-up-throughput': 'bulk over loopback, up',
      'lo-down-throughput': 'bulk over loopback, down',
    },
  },
  {
    title: 'Access log on, against off',
    better: 'less',
    labels: { 'connections-log': 'CPU of a new connection' },
  },
]

/** Draws the latest verdict of each measure into `file`. Nothing was measured: there is nothing to draw, and it throws. */
export function drawChart(results: URL, file: URL): void {
  const latest = latestOf(results)
  if (latest.size === 0) throw new Error('no results to draw: run some parts that have targets first')
  const filled = groups.map((group) => ({
    ...group,
    rows: Object.keys(group.labels).flatMap((id) => latest.get(id) ?? []),
  }))
  writeFileSync(file, svg(filled.filter(({ rows }) => rows.length > 0)))
}

function latestOf(results: URL): ReadonlyMap<string, Recorded> {
  const files = existsSync(results)
    ? readdirSync(results).filter((name) => name.endsWith('-targets.jsonl'))
    : []
  const lines = files.sort().flatMap((name) => readFileSync(new URL(name, results), 'utf8').split('\n'))
  const verdicts = lines.filter((line) => line !== '').map((line): Recorded => JSON.parse(line))
  return new Map(verdicts.map((verdict) => [verdict.id, verdict]))
}
