import test, { type ExecutionContext } from 'ava'
import {
  add,
  closedCell,
  connectHistogram,
  durationHistogram,
  endpointCell,
  endpointField,
  failureCell,
  heldCell,
  listenerCell,
  listenerField,
  observe,
  rejectedCell,
  Tally,
  workerCell,
} from '../../src/core/tally.ts'
import { createMetrics, type MetricsSource } from '../../src/telemetry/metrics.ts'

function sourceOf(tally: Tally, change: Partial<MetricsSource> = {}): MetricsSource {
  return {
    tally,
    listeners: () => [{ name: 'https', slot: 1 }],
    rangeFiles: () => [],
    endpoints: () => [
      {
        pool: 'web',
        endpoint: '10.0.0.5:9443',
        slot: 3,
        ejections: 2,
        now: { state: 'up', up: true, share: 0.34 },
      },
      {
        pool: 'web',
        endpoint: '[2001:db8::6]:9443',
        slot: 4,
        ejections: 0,
        now: { state: 'ejected', up: false, share: 0 },
      },
      { pool: 'web', endpoint: '10.0.0.9:9443', slot: 5, ejections: 1, now: null },
    ],
    discovery: () => [{ pool: 'web', ageMs: 1500, endpoints: 3, failures: { lookup: 4, malformed: 0 } }],
    poolTimes: () => [
      {
        pool: 'web',
        firstByte: Float64Array.of(2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.03),
        clientRtt: new Float64Array(14),
      },
    ],
    unresolved: () => [{ pool: 'web', endpoint: 'node.example:9443' }],
    connectionsLimit: () => 500,
    healthChecks: () => ({ success: 41, failure: 2 }),
    draining: () => false,
    lastReloadSuccessful: () => true,
    logLinesDropped: () => 7,
    predecessors: () => [{ pid: 7, version: '0', connections: 3, endsInMs: 60_000, heardMsAgo: 0 }],
    workerDeaths: () => ({ restarts: 1, adopted: 2, lost: { poison: 1, young: 0 } }),
    build: { version: '0.1.0', plane: 'net', node: 'v26.10.0' },
    openFileLimit: 20_000,
    ...change,
  }
}

interface Scrape {
  /** Sample line without its value → value. */
  readonly samples: ReadonlyMap<string, number>
  /** Family → type. */
  readonly types: ReadonlyMap<string, string>
}

/** Reads the text format from its specification, strictly: anything unexpected fails the test. */
function parse(t: ExecutionContext, text: string): Scrape {
  const samples = new Map<string, number>()
  const types = new Map<string, string>()
  const helped = new Set<string>()
  let family = ''
  t.true(text.endsWith('\n'))
  for (const line of text.split('\n')) {
    if (line === '') continue
    const help = /^# HELP ([a-z_]+) (.+)$/.exec(line)
    const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line)
    if (help?.[1] !== undefined) {
      t.false(helped.has(help[1]), `HELP twice: ${line}`)
      helped.add(help[1])
    } else if (type?.[1] !== undefined && type[2] !== undefined) {
      t.true(helped.has(type[1]), `TYPE before HELP: ${line}`)
      t.false(types.has(type[1]), `TYPE twice: ${line}`)
      family = type[1]
      types.set(family, type[2])
    } else {
      const label = '[a-z_]+="(?:[^"\\\\\\n]|\\\\["\\\\n])*"'
      const found = new RegExp(`^([a-z_]+)(\\{${label}(?:,${label})*\\})? (-?[0-9.e+-]+)$`).exec(line)
      if (found?.[1] === undefined || found[3] === undefined) {
        t.fail(`not a sample: ${line}`)
        continue
      }
      const own = types.get(family) === 'histogram' ? found[1].replace(/_(bucket|sum|count)$/, '') : found[1]
      t.is(own, family, `outside its family: ${line}`)
      if (types.get(family) === 'counter') t.regex(family, /_total$/)
      const series = `${found[1]}${found[2] ?? ''}`
      t.false(samples.has(series), `twice: ${series}`)
      samples.set(series, Number(found[3]))
    }
  }
  return { samples, types }
}

test('the numbers of all workers are shown, summed, under their documented names', async (t) => {
  const tally = new Tally(2)
  for (const worker of [1, 2]) {
    const row = tally.row(worker)
    add(row, listenerCell(1) + listenerField.accepted, 10)
    add(row, listenerCell(1) + listenerField.active, worker)
    add(row, listenerCell(1) + listenerField.bytesUp, 1_000)
    add(row, listenerCell(1) + listenerField.bytesDown, 2_000_000_000_000)
    add(row, closedCell(1, 'none', 'half-closed'), 4)
    add(row, rejectedCell(1, 'limit'), 5)
    add(row, rejectedCell(1, 'resource'), 1)
    add(row, endpointCell(3) + endpointField.attempts, 6)
    add(row, endpointCell(3) + endpointField.active, 2)
    add(row, failureCell(3, 'refused'), 1)
    add(row, failureCell(3, 'ports-exhausted'), 3)
    add(row, workerCell.bufferedBytes, 512)
    add(row, heldCell(1, 'limit'), 1)
  }
  const { samples } = parse(t, await createMetrics(sourceOf(tally)).render())
  const endpoint = 'pool="web",endpoint="10.0.0.5:9443"'
  const expected: Record<string, number> = {
    'connections_accepted_total{listener="https"}': 20,
    'connections_active{listener="https"}': 3,
    'connections_closed_total{listener="https",cause="none",phase="half-closed"}': 8,
    'connections_rejected_total{listener="https",reason="limit"}': 10,
    'connections_rejected_total{listener="https",reason="listener-limit"}': 0,
    'connections_rejected_total{listener="https",reason="resource"}': 2,
    'bytes_total{listener="https",direction="up"}': 2_000,
    'bytes_total{listener="https",direction="down"}': 4_000_000_000_000,
    [`upstream_connect_attempts_total{${endpoint}}`]: 12,
    [`upstream_connect_failures_total{${endpoint},reason="refused"}`]: 2,
    [`upstream_connect_failures_total{${endpoint},reason="ports-exhausted"}`]: 6,
    [`local_ports_exhausted_total{${endpoint}}`]: 6,
    [`endpoint_up{${endpoint}}`]: 1,
    [`endpoint_share{${endpoint}}`]: 0.34,
    'endpoint_up{pool="web",endpoint="[2001:db8::6]:9443"}': 0,
    [`endpoint_connections_active{${endpoint}}`]: 4,
    [`endpoint_ejections_total{${endpoint}}`]: 2,
    'discovery_age_seconds{pool="web"}': 1.5,
    'discovery_failures_total{pool="web",kind="lookup"}': 4,
    'discovery_failures_total{pool="web",kind="malformed"}': 0,
    'health_checks_total{result="success"}': 41,
    'health_checks_total{result="failure"}': 2,
    [`endpoint_state{${endpoint},state="up"}`]: 1,
    [`endpoint_state{${endpoint},state="ejected"}`]: 0,
    'endpoint_state{pool="web",endpoint="[2001:db8::6]:9443",state="ejected"}': 1,
    'endpoint_state{pool="web",endpoint="[2001:db8::6]:9443",state="down"}': 0,
    'endpoint_up{pool="web",endpoint="node.example:9443"}': 0,
    'endpoint_state{pool="web",endpoint="node.example:9443",state="unresolved"}': 1,
    connections_limit: 500,
    'listeners_held{listener="https"}': 2,
    buffered_bytes: 1_024,
    draining: 0,
    config_last_reload_successful: 1,
    log_lines_dropped_total: 7,
    worker_restarts_total: 1,
    'sessions_adopted_total{from="worker"}': 2,
    'sessions_lost_total{from="worker",reason="poison"}': 1,
    'sessions_lost_total{from="worker",reason="young"}': 0,
    'build_info{version="0.1.0",plane="net",node="v26.10.0"}': 1,
  }
  for (const [series, value] of Object.entries(expected))
    t.is(samples.get(`spliceway_${series}`), value, series)
})

test('a histogram is cumulative, ends with +Inf, and its count is that bucket', async (t) => {
  const tally = new Tally(2)
  for (const seconds of [0.0004, 0.0005, 0.003, 99]) observe(tally.row(1), connectHistogram, seconds)
  observe(tally.row(2), connectHistogram, 0.003)
  observe(tally.row(2), durationHistogram, 30)
  const { samples, types } = parse(t, await createMetrics(sourceOf(tally)).render())
  const bucket = (le: string) => samples.get(`spliceway_upstream_connect_duration_seconds_bucket{le="${le}"}`)
  t.is(types.get('spliceway_upstream_connect_duration_seconds'), 'histogram')
  t.deepEqual(['0.0005', '0.001', '0.0025', '0.005', '10', '+Inf'].map(bucket), [2, 2, 2, 4, 4, 5])
  t.is(samples.get('spliceway_upstream_connect_duration_seconds_count'), 5)
  const sum = samples.get('spliceway_upstream_connect_duration_seconds_sum') ?? 0
  t.true(Math.abs(sum - 99.0069) < 1e-9)
  t.is(samples.get('spliceway_connection_duration_seconds_bucket{le="60"}'), 1)
})

test('ordinary ends and failures are there at zero, odd ones appear when they happen', async (t) => {
  const tally = new Tally(1)
  const metrics = createMetrics(sourceOf(tally))
  const closed = (cause: string, phase: string) =>
    `spliceway_connections_closed_total{listener="https",cause="${cause}",phase="${phase}"}`
  const first = parse(t, await metrics.render()).samples
  t.is(first.get(closed('none', 'half-closed')), 0)
  t.is(first.get(closed('endpoint-down', 'connect')), 0)
  t.false(first.has(closed('admin', 'queue')))
  add(tally.row(1), closedCell(1, 'admin', 'queue'), 1)
  add(tally.row(1), failureCell(4, 'other'), 1)
  const second = parse(t, await metrics.render()).samples
  t.is(second.get(closed('admin', 'queue')), 1)
  const failure = 'spliceway_upstream_connect_failures_total{pool="web",endpoint="[2001:db8::6]:9443"'
  t.is(second.get(`${failure},reason="other"}`), 1)
  t.is(second.get(`${failure},reason="timeout"}`), 0)
})

test('label values are escaped', async (t) => {
  const listeners = () => [{ name: 'a "quoted\\ \n name', slot: 0 }]
  const { samples } = parse(t, await createMetrics(sourceOf(new Tally(1), { listeners })).render())
  t.is(samples.get('spliceway_connections_active{listener="a \\"quoted\\\\ \\n name"}'), 0)
})

test('an endpoint that the source lists no more is gone from the next scrape', async (t) => {
  const now = { state: 'up', up: true, share: 1 } as const
  let endpoints = [{ pool: 'web', endpoint: '10.0.0.5:9443', slot: 3, ejections: 0, now }]
  const metrics = createMetrics(sourceOf(new Tally(1), { endpoints: () => endpoints }))
  t.regex(await metrics.render(), /10\.0\.0\.5/)
  endpoints = []
  t.notRegex(await metrics.render(), /10\.0\.0\.5/)
})

test('the process is described under the conventional names', async (t) => {
  const { samples } = parse(t, await createMetrics(sourceOf(new Tally(1))).render())
  const value = (name: string) => samples.get(name) ?? -1
  t.true(value('process_cpu_seconds_total') > 0)
  t.true(value('process_resident_memory_bytes') > 1e6)
  t.true(value('process_virtual_memory_bytes') > value('process_resident_memory_bytes'))
  t.true(Math.abs(value('process_start_time_seconds') - (Date.now() / 1000 - process.uptime())) < 2)
  t.true(value('process_open_fds') > 2)
  t.is(value('process_max_fds'), 20_000)
  t.true(value('nodejs_heap_size_total_bytes') >= value('nodejs_heap_size_used_bytes'))
})

test('the content type is that of the text format', (t) => {
  t.is(createMetrics(sourceOf(new Tally(1))).contentType, 'text/plain; version=0.0.4; charset=utf-8')
})

test('an endpoint that has left keeps what was counted of it, and is neither up nor down', async (t) => {
  const tally = new Tally(1)
  add(tally.row(1), endpointCell(5) + endpointField.attempts, 9)
  const metrics = createMetrics(sourceOf(tally))
  const series = async () =>
    [...parse(t, await metrics.render()).samples.keys()].filter((each) => each.includes('"10.0.0.9:9443"'))
  const names = new Set((await series()).map((each) => each.slice('spliceway_'.length, each.indexOf('{'))))
  t.true(names.has('upstream_connect_attempts_total'))
  t.true(names.has('endpoint_ejections_total'))
  t.deepEqual(
    [...names].filter((name) => !name.endsWith('_total')),
    [],
  )
  add(tally.row(1), endpointCell(5) + endpointField.active, 1)
  t.true((await series()).some((each) => each.startsWith('spliceway_endpoint_connections_active{')))
})
