import { goneListener } from '../core/gone.ts'
import type { HistogramCells } from '../core/histogram.ts'
import {
  type Cause,
  causes,
  dialFailures,
  limits,
  type Phase,
  phases,
  rejections,
  staleWhens,
} from '../core/outcome.ts'
import { knownStates, type PredecessorStatus } from '../core/status.ts'
import {
  closedCell,
  connectHistogram,
  durationHistogram,
  endpointCell,
  endpointField,
  failureCell,
  heldCell,
  listenerCell,
  listenerField,
  poolHistograms,
  rejectedCell,
  staleCell,
  type Tally,
  workerCell,
} from '../core/tally.ts'
import { type Family, histogramSamples, type Sample, sample } from './family.ts'
import type { EndpointSource, MetricsSource, PoolTimes } from './metrics-source.ts'

/**
 * Pairs of cause and phase that ordinary traffic can end with. Their series exist from the start, at zero: a
 * series that first appears with the value 1 hides that 1 from rate(). The other pairs appear when they first
 * happen.
 */
const ordinaryEnds: ReadonlySet<`${Cause}/${Phase}`> = new Set([
  'none/preface',
  'client/preface',
  'none/data',
  'none/half-closed',
  'client/connect',
  'client/data',
  'client/half-closed',
  'server/data',
  'server/half-closed',
  'proxy/data',
  'resource/connect',
  'endpoint-down/connect',
  'admin/data',
  'client-timeout/data',
  'client-timeout/half-closed',
  'server-timeout/connect',
  'server-timeout/data',
  'server-timeout/half-closed',
])
/** The same for reasons of failed dials. */
const ordinaryFailures: ReadonlySet<string> = new Set(['refused', 'timeout', 'unreachable', 'reset'])

/** The metrics of connections, endpoints and the program, named as in the documentation. */
export function trafficFamilies(source: MetricsSource): readonly Family[] {
  return [
    ...listenerFamilies(source),
    ...endpointFamilies(source),
    ...discoveryFamilies(source),
    ...histogramFamilies(source.tally),
    ...poolHistogramFamilies(source),
    ...programFamilies(source),
  ]
}

function listenerFamilies(source: MetricsSource): readonly Family[] {
  const { tally } = source
  const each = (samples: (listener: string, slot: number) => readonly Sample[]) => () =>
    source.listeners().flatMap(({ name, slot }) => samples(name, slot))
  const field = (name: keyof typeof listenerField) =>
    each((listener, slot) => [sample(tally.sum(listenerCell(slot) + listenerField[name]), { listener })])
  return [
    gauge('connections_limit', 'Connections that the program takes at most.', () => [
      sample(source.connectionsLimit()),
    ]),
    gauge(
      'listeners_held',
      'Workers that leave connections of the listener in the backlog because a limit is reached.',
      each((listener, slot) => [
        sample(
          limits.reduce((sum, limit) => sum + tally.sum(heldCell(slot, limit)), 0) +
            tally.sum(listenerCell(slot) + listenerField.heldByRate),
          { listener },
        ),
      ]),
    ),
    counter('connections_accepted_total', 'Connections accepted.', field('accepted')),
    gauge('connections_active', 'Connections between accept and end.', field('active')),
    counter(
      'connections_closed_total',
      'Connections that ended, by cause and by how far they had come.',
      each((listener, slot) => closedSamples(tally, listener, slot)),
    ),
    counter('sessions_adopted_total', 'Connections that go on here, by who had them.', () => [
      sample(overAll(source, listenerField.adopted), { from: 'process' }),
      sample(source.workerDeaths().adopted, { from: 'worker' }),
    ]),
    counter('sessions_moved_total', 'Connections that went on in another process.', () => [
      sample(overAll(source, listenerField.moved)),
    ]),
    counter(
      'connections_rejected_total',
      'Connections turned away: by limits and for want of resources at accept, by the rules of the listener.',
      each((listener, slot) =>
        rejections.map((reason) => sample(tally.sum(rejectedCell(slot, reason)), { listener, reason })),
      ),
    ),
    counter(
      'per_source_untracked_total',
      'Connections of sources that there was no room to count.',
      field('untracked'),
    ),
    gauge(
      'range_file_current',
      "1: the listener's list is what its file says. 0: the file is gone or no list, and the last good one stays.",
      () =>
        source.rangeFiles().map(({ listener, list, current }) => sample(Number(current), { listener, list })),
    ),
    counter(
      'bytes_total',
      'Bytes relayed: up from client to endpoint, down from endpoint to client.',
      each((listener, slot) => [
        sample(tally.sum(listenerCell(slot) + listenerField.bytesUp), { listener, direction: 'up' }),
        sample(tally.sum(listenerCell(slot) + listenerField.bytesDown), { listener, direction: 'down' }),
      ]),
    ),
  ]
}

/** Of all listeners, the one for connections that came to none of ours included. */
function overAll({ tally, listeners }: MetricsSource, field: number): number {
  const slots = [...listeners().map(({ slot }) => slot), goneListener]
  return slots.reduce((sum, slot) => sum + tally.sum(listenerCell(slot) + field), 0)
}

function closedSamples(tally: Tally, listener: string, slot: number): readonly Sample[] {
  const samples: Sample[] = []
  for (const cause of causes) {
    for (const phase of phases) {
      const value = tally.sum(closedCell(slot, cause, phase))
      if (value > 0 || ordinaryEnds.has(`${cause}/${phase}`)) {
        samples.push(sample(value, { listener, cause, phase }))
      }
    }
  }
  return samples
}

function endpointFamilies(source: MetricsSource): readonly Family[] {
  const { tally } = source
  type Labels = { readonly pool: string; readonly endpoint: string }
  const each = (samples: (endpoint: EndpointSource, labels: Labels) => readonly Sample[]) => () =>
    source.endpoints().flatMap((row) => samples(row, { pool: row.pool, endpoint: row.endpoint }))
  /** Of endpoints that are in the configuration now: one that has left is neither up nor down. */
  const present = (samples: (now: NonNullable<EndpointSource['now']>, labels: Labels) => readonly Sample[]) =>
    each(({ now }, labels) => (now === null ? [] : samples(now, labels)))
  return [
    counter(
      'upstream_connect_attempts_total',
      'Dials begun.',
      each(({ slot }, labels) => [sample(tally.sum(endpointCell(slot) + endpointField.attempts), labels)]),
    ),
    counter(
      'upstream_connect_failures_total',
      'Dials that failed, by reason.',
      each(({ slot }, labels) =>
        dialFailures
          .map((reason) => sample(tally.sum(failureCell(slot, reason)), { ...labels, reason }))
          .filter(({ value, labels: { reason = '' } }) => value > 0 || ordinaryFailures.has(reason)),
      ),
    ),
    counter(
      'local_ports_exhausted_total',
      'Dials that found no free local port towards the endpoint.',
      each(({ slot }, labels) => [sample(tally.sum(failureCell(slot, 'ports-exhausted')), labels)]),
    ),
    counter(
      'upstream_dials_unanswered_total',
      'Dials without an answer after `hedgeAfter`: another endpoint was asked beside.',
      each(({ slot }, labels) => [sample(tally.sum(endpointCell(slot) + endpointField.unanswered), labels)]),
    ),
    counter(
      'retries_denied_total',
      'Dials of a further endpoint that the retry budget did not allow.',
      each(({ slot }, labels) => [sample(tally.sum(endpointCell(slot) + endpointField.denied), labels)]),
    ),
    gauge(
      'endpoint_suspect',
      '1: a dial has no answer, so other endpoints are asked first until one is answered.',
      present(({ state }, labels) => [sample(Number(state === 'suspect'), labels)]),
    ),
    gauge(
      'endpoint_silent',
      '1: it accepts connections and says nothing, so other endpoints are asked first until it is heard.',
      present(({ state }, labels) => [sample(Number(state === 'silent'), labels)]),
    ),
    gauge(
      'endpoint_up',
      '1: the endpoint gets connections. 0: it is down, ejected, drained, or a name without address.',
      () => [
        ...present(({ up }, labels) => [sample(Number(up), labels)])(),
        ...source.unresolved().map(({ pool, endpoint }) => sample(0, { pool, endpoint })),
      ],
    ),
    gauge('endpoint_state', '1 for the state that the endpoint is in, 0 for the others.', () => [
      ...present(({ state }, labels) =>
        knownStates.map((each) => sample(Number(each === state), { ...labels, state: each })),
      )(),
      ...source.unresolved().map(({ pool, endpoint }) => sample(1, { pool, endpoint, state: 'unresolved' })),
    ]),
    gauge(
      'endpoint_share',
      'What the endpoint gets of the connections that are its due: 1, less in slow start, 0 when it is not up.',
      present(({ share }, labels) => [sample(share, labels)]),
    ),
    gauge(
      'endpoint_connections_active',
      'Connections relayed to the endpoint. Of one that has left as long as there are any.',
      each(({ slot, now }, labels) => {
        const active = tally.sum(endpointCell(slot) + endpointField.active)
        return now === null && active === 0 ? [] : [sample(active, labels)]
      }),
    ),
    gauge(
      'warm_pool_connections',
      'Connections to the endpoint that wait for a client.',
      each(({ slot, now }, labels) =>
        now === null ? [] : [sample(tally.sum(endpointCell(slot) + endpointField.warm), labels)],
      ),
    ),
    counter(
      'warm_pool_hit_total',
      'Clients that got a warm connection.',
      each(({ slot }, labels) => [sample(tally.sum(endpointCell(slot) + endpointField.warmHit), labels)]),
    ),
    counter(
      'warm_pool_miss_total',
      'Clients that found no warm connection, and were dialed for.',
      each(({ slot }, labels) => [sample(tally.sum(endpointCell(slot) + endpointField.warmMiss), labels)]),
    ),
    counter(
      'warm_pool_stale_total',
      'Warm connections that the endpoint gave up: while they waited, when taken, or, lost with their client, in use.',
      each(({ slot }, labels) =>
        staleWhens.map((found) => sample(tally.sum(staleCell(slot, found)), { ...labels, found })),
      ),
    ),
    counter(
      'endpoint_bytes_total',
      'Bytes relayed: up to the endpoint, down from it.',
      each(({ slot }, labels) => [
        sample(tally.sum(endpointCell(slot) + endpointField.bytesUp), { ...labels, direction: 'up' }),
        sample(tally.sum(endpointCell(slot) + endpointField.bytesDown), { ...labels, direction: 'down' }),
      ]),
    ),
    counter(
      'endpoint_resets_total',
      'Relayed connections that the endpoint ended by RST.',
      each(({ slot }, labels) => [sample(tally.sum(endpointCell(slot) + endpointField.resets), labels)]),
    ),
    counter(
      'endpoint_ejections_total',
      'Ejections after failed dials, or resets before the first byte.',
      each(({ ejections }, labels) => [sample(ejections, labels)]),
    ),
  ]
}

function discoveryFamilies(source: MetricsSource): readonly Family[] {
  return [
    gauge('discovery_age_seconds', 'Time since the source of a pool confirmed its endpoints.', () =>
      source.discovery().map(({ pool, ageMs }) => sample(ageMs / 1000, { pool })),
    ),
    gauge('discovery_endpoints', 'Endpoints that the source of a pool has found.', () =>
      source.discovery().map(({ pool, endpoints }) => sample(endpoints, { pool })),
    ),
    counter('discovery_failures_total', 'What the source of a pool was asked for in vain, by kind.', () =>
      source
        .discovery()
        .flatMap(({ pool, failures }) =>
          Object.entries(failures).map(([kind, count]) => sample(count, { pool, kind })),
        ),
    ),
  ]
}

function histogramFamilies(tally: Tally): readonly Family[] {
  const histogram = (name: string, help: string, { at, bounds }: HistogramCells): Family => ({
    name: `spliceway_${name}`,
    help,
    type: 'histogram',
    collect() {
      const counts: number[] = []
      for (let bucket = 0; bucket <= bounds.length; bucket++) counts.push(tally.sum(at + bucket))
      return histogramSamples(bounds, counts, tally.sum(at + bounds.length + 1))
    },
  })
  return [
    histogram('upstream_connect_duration_seconds', 'Time of a successful dial.', connectHistogram),
    histogram('connection_duration_seconds', 'Time from accept to end.', durationHistogram),
  ]
}

function poolHistogramFamilies(source: MetricsSource): readonly Family[] {
  const histogram = (name: string, help: string, which: keyof PoolTimes): Family => ({
    name: `spliceway_${name}`,
    help,
    type: 'histogram',
    collect: () =>
      source.poolTimes().flatMap(({ pool, ...times }) => {
        const { bounds } = poolHistograms[which]
        const cells = times[which]
        const samples = histogramSamples(bounds, [...cells.subarray(0, -1)], cells.at(-1) ?? 0)
        return samples.map((each) => ({ ...each, labels: { pool, ...each.labels } }))
      }),
  })
  return [
    histogram('first_byte_seconds', "Time from a client's first byte to the endpoint's.", 'firstByte'),
    histogram('client_rtt_seconds', 'Round trip to clients, at ends that were looked at.', 'clientRtt'),
  ]
}

function programFamilies(source: MetricsSource): readonly Family[] {
  return [
    counter('health_checks_total', 'Probes answered, by result.', () => {
      const { success, failure } = source.healthChecks()
      return [sample(success, { result: 'success' }), sample(failure, { result: 'failure' })]
    }),
    gauge('connections_queued', 'Connections that wait because every endpoint has as many as it may.', () => [
      sample(source.tally.sum(workerCell.queued)),
    ]),
    gauge('buffered_bytes', 'Bytes held in user space or in pipes.', () => [
      sample(source.tally.sum(workerCell.bufferedBytes)),
    ]),
    gauge('pipes', 'Pipes of the splice plane.', () => [
      sample(source.tally.sum(workerCell.pipesUsed), { state: 'used' }),
      sample(source.tally.sum(workerCell.pipesIdle), { state: 'idle' }),
    ]),
    gauge('draining', '1: shutting down.', () => [sample(Number(source.draining()))]),
    gauge(
      'config_last_reload_successful',
      '0: the last reload failed, the configuration before it is in use.',
      () => [sample(Number(source.lastReloadSuccessful()))],
    ),
    counter('log_lines_dropped_total', 'Log lines dropped because their reader was too slow.', () => [
      sample(source.logLinesDropped()),
    ]),
    counter('worker_restarts_total', 'Worker threads that died and were replaced.', () => [
      sample(source.workerDeaths().restarts),
    ]),
    gauge(
      'predecessor_connections_active',
      'Connections left in a process that handed over to this one.',
      () => byPid(source.predecessors(), (all) => all.reduce((sum, { connections }) => sum + connections, 0)),
    ),
    gauge('predecessor_deadline_seconds', 'Time until that process ends at the latest.', () =>
      byPid(
        source.predecessors().filter(({ endsInMs }) => endsInMs !== null),
        (all) => Math.max(...all.map(({ endsInMs }) => (endsInMs ?? 0) / 1_000)),
      ),
    ),
    counter(
      'sessions_lost_total',
      'Connections that ended because their worker had died, by why they could not go on.',
      () =>
        Object.entries(source.workerDeaths().lost).map(([reason, n]) =>
          sample(n, { from: 'worker', reason }),
        ),
    ),
    gauge('build_info', 'Always 1.', () => [sample(1, { ...source.build })]),
  ]
}

/** In Pods of their own several processes have the pid 1: together they are one series. */
function byPid(
  predecessors: readonly PredecessorStatus[],
  value: (all: readonly PredecessorStatus[]) => number,
): readonly Sample[] {
  const groups = Map.groupBy(predecessors, ({ pid }) => pid)
  return [...groups].map(([pid, all]) => sample(value(all), { pid: String(pid) }))
}

function counter(name: string, help: string, collect: () => readonly Sample[]): Family {
  return { name: `spliceway_${name}`, help, type: 'counter', collect }
}

function gauge(name: string, help: string, collect: () => readonly Sample[]): Family {
  return { name: `spliceway_${name}`, help, type: 'gauge', collect }
}
