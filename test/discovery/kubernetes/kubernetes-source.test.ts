import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { readSliceList } from '../../../src/discovery/kubernetes/slice-shape.ts'
import { parsed } from '../../../src/discovery/kubernetes/watch-event.ts'
import { addresses, Bench, confirmedMs, counts, slice } from './bench.ts'

const start = 'pool web: service default/kong'
const scaled = 'no Pod is there (it is scaled to 0, or its selector fits none)'

test('a valid answer that is empty empties the pool, and says why', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1', '10.0.0.2']))
  const source = await bench.watching(t)
  bench.server.set(slice('kong-a', []))
  await bench.until(() => addresses(source).length === 0)
  t.like(source.answer, { emptiness: { kind: 'gone', text: scaled } })
  bench.server.delete('kong-a')
  await bench.until(() => bench.changes === 3)
  const none = 'it has no EndpointSlices (is there such a Service?)'
  t.like(source.answer, { emptiness: { kind: 'fault', text: none } })
  bench.server.set(slice('kong-a', ['10.0.0.3']))
  await bench.until(() => addresses(source).length === 1)
  t.like(source.answer, { emptiness: null })
  t.deepEqual(bench.log.take(), [`info ${start} has 2 endpoints: 10.0.0.1:8000, 10.0.0.2:8000`])
})

const pending = { endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: false } }] }
const empty: readonly (readonly [string, object, object, 'gone' | 'fault', string])[] = [
  ['another port', {}, { port: 'htpp' }, 'fault', 'it has no TCP port named `htpp`, only `http`'],
  ['no port', { ports: [] }, {}, 'fault', 'it has no TCP port named `http`, none at all'],
  ['what the controller leaves of no Pods', { ports: null, endpoints: null }, {}, 'gone', scaled],
  ['nothing ready', pending, {}, 'gone', 'none is ready'],
  ['nothing ready here', {}, { locality: 'node-only' }, 'gone', 'none is ready on node node-a'],
]

for (const [name, changes, options, kind, text] of empty) {
  test(`an empty answer says why: ${name}`, async (t) => {
    const bench = await Bench.start(t)
    bench.server.set(slice('kong-a', ['10.0.0.1'], changes))
    const source = await bench.watching(t, options)
    t.like(source.answer, { kind: 'known', endpoints: [], emptiness: { kind, text } })
    t.deepEqual(bench.log.take(), [])
  })
}

test('500 slices at once are a handful of changes', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong', ['10.0.0.1']))
  const source = await bench.watching(t)
  for (let i = 0; i < 500; i++) bench.server.set(slice(`kong-${i}`, [`10.1.${i >> 8}.${i & 255}`]))
  bench.server.bookmark()
  await bench.until(() => bench.awaitedMs === 100_000)
  bench.clock.advance(1000)
  t.is(addresses(source).length, 501)
  t.true(bench.changes <= 12, `${bench.changes}`)
  t.is(bench.log.take().length, 1)
  bench.server.delete('kong')
  await bench.until(() => bench.clock.pending === 2)
  bench.clock.advance(1000)
  t.is(addresses(source).length, 500)
})

test('node-only without the name of our node is an error, and nothing is asked', async (t) => {
  const bench = await Bench.start(t)
  const source = bench.sourceOn({ name: null, zone: null }, { locality: 'node-only' })
  await source.first
  const reason =
    'node-only is not possible: the name of this node is not known (set NODE_NAME from spec.nodeName)'
  t.deepEqual(source.answer, { kind: 'none', reason, sinceMs: 0 })
  t.deepEqual(bench.log.take(), [`error ${start}: ${reason}`])
  t.deepEqual(bench.server.asked, [])
  source.stop()
})

test('a preference that cannot be followed is said once', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = bench.sourceOn({ name: 'node-a', zone: null }, { locality: 'prefer-zone' })
  await source.first
  t.is(
    bench.log.take()[0],
    `warn ${start} prefer-zone has no effect: the zone of this node is not known (set ZONE)`,
  )
  source.stop()
})

test('what changes nothing is not told: a bookmark, a pod that is not ready, the same slice again', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.clock.advance(1000)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  bench.server.set(
    slice('kong-b', [], { endpoints: [{ addresses: ['10.0.0.2'], conditions: { ready: false } }] }),
  )
  await bench.until(() => confirmedMs(source) === 1000)
  t.is(bench.changes, 1)
  t.like(source.answer, { kind: 'known', confirmedMs: 1000 })
})

test('failures are counted by kind, and the answer says how old it is, since when it fails and why', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.clock.advance(500)
  bench.server.mood = { kind: 'refuse', code: 403, retryAfterSeconds: null }
  bench.server.breakWatches('', 'reset')
  await bench.failed(source, 'connection')
  bench.clock.advance(1200)
  await bench.failed(source, 'forbidden')
  bench.clock.advance(1200)
  await bench.failed(source, 'forbidden', 2)
  t.deepEqual(counts(source), { connection: 1, forbidden: 2 })
  t.is(source.failures.get('throttled'), 0)
  const reason = 'status 403: the test says so'
  t.like(source.answer, { kind: 'known', confirmedMs: 0, failing: { sinceMs: 500, reason } })
})

test('the last answer is on disk, and a start without API server begins with it', async (t) => {
  const bench = await Bench.start(t)
  const snapshotPath = join(bench.folder, 'web.json')
  bench.server.set(slice('kong-a', ['10.0.0.1', '10.0.0.2']))
  const before = await bench.watching(t, { snapshotPath })
  bench.clock.advance(1000)
  await bench.written(snapshotPath)
  before.stop()
  await bench.server.crash()
  bench.log.take()

  const hourAgo = Date.now() / 1000 - 3600
  utimesSync(snapshotPath, hourAgo, hourAgo)
  const source = bench.source({ snapshotPath })
  t.teardown(() => source.stop())
  t.deepEqual(addresses(source), ['10.0.0.1:8000', '10.0.0.2:8000'])
  await source.first
  t.deepEqual(addresses(source), ['10.0.0.1:8000', '10.0.0.2:8000'])
  const { answer } = source
  const ageMs = answer.kind === 'known' ? bench.clock.nowMs() - answer.confirmedMs : Number.NaN
  t.true(Math.abs(ageMs - 3_600_000) < 60_000, `${ageMs} ms`)
  t.like(source.answer, { failing: { reason: 'connection refused' } })
  const [first, second = ''] = bench.log.take()
  t.is(first, `info ${start} begins with what was known 1h ago: 2 endpoints: 10.0.0.1:8000, 10.0.0.2:8000`)
  t.regex(second, /connection refused; it keeps 2 endpoints/)

  await bench.server.revive()
  bench.server.set(slice('kong-a', ['10.0.0.3']))
  bench.clock.advance(1200)
  await bench.until(() => bench.listening)
  t.deepEqual(addresses(source), ['10.0.0.3:8000'])
  t.is(statSync(snapshotPath).mode & 0o777, 0o600)
})

for (const [days, level, age] of [
  [0.9, 'info', '22h'],
  [1.5, 'warn', '36h'],
  [40, 'warn', '40 days'],
] as const) {
  test(`a copy that is ${days} days old is used, and its age is said`, async (t) => {
    const bench = await Bench.start(t)
    const snapshotPath = join(bench.folder, 'web.json')
    writeFileSync(snapshotPath, JSON.stringify(saved('kong')))
    const then = Date.now() / 1000 - days * 86_400
    utimesSync(snapshotPath, then, then)
    await bench.server.crash()
    const source = bench.source({ snapshotPath })
    t.teardown(() => source.stop())
    await source.first
    const [first = ''] = bench.log.take()
    t.regex(first, new RegExp(`^${level} ${start} begins with what was known ${age} ago: 1 endpoint`))
  })
}

test('the copy of a Service in which nothing changes stays fresh', async (t) => {
  const bench = await Bench.start(t)
  const snapshotPath = join(bench.folder, 'web.json')
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t, { snapshotPath })
  bench.clock.advance(1000)
  await bench.written(snapshotPath)
  const monthAgo = new Date(Date.now() - 30 * 86_400_000)
  utimesSync(snapshotPath, monthAgo, monthAgo)
  await bench.pass(source, 60_000)
  t.is(statSync(snapshotPath).mtimeMs, monthAgo.getTime())
  bench.wallAheadMs = 700_000
  await bench.pass(source, 60_000)
  await bench.touched(snapshotPath, monthAgo.getTime())
  t.true(statSync(snapshotPath).mtimeMs > Date.now())
})

test('everything that matters of a slice is on disk, in the form of the API', async (t) => {
  const bench = await Bench.start(t)
  const snapshotPath = join(bench.folder, 'web.json')
  bench.server.set(
    slice('kong-a', [], {
      ports: [
        { name: null, port: null },
        { name: 'http', port: 80, protocol: 'SCTP' },
      ],
      endpoints: [
        {
          addresses: ['10.0.0.1'],
          conditions: { ready: false, serving: false, terminating: true },
          nodeName: 'node-a',
          zone: 'zone-1',
          targetRef: { name: 'kong-1' },
          hints: { forNodes: [{ name: 'node-a' }], forZones: [{ name: 'zone-1' }, { name: 'zone-2' }] },
        },
        { addresses: ['10.0.0.2'] },
      ],
    }),
  )
  await bench.watching(t, { snapshotPath })
  bench.clock.advance(1000)
  await bench.written(snapshotPath)
  const { slices } = readSliceList(parsed(readFileSync(snapshotPath, 'utf8'), 'file'))
  t.deepEqual(slices, [
    {
      name: 'kong-a',
      addressType: 'IPv4',
      ports: [
        { name: '', protocol: 'TCP', port: null },
        { name: 'http', protocol: 'SCTP', port: 80 },
      ],
      endpoints: [
        {
          address: '10.0.0.1',
          ready: false,
          serving: false,
          terminating: true,
          node: 'node-a',
          zone: 'zone-1',
          target: 'kong-1',
          forNodes: ['node-a'],
          forZones: ['zone-1', 'zone-2'],
        },
        {
          address: '10.0.0.2',
          ready: true,
          serving: true,
          terminating: false,
          node: null,
          zone: null,
          target: null,
          forNodes: [],
          forZones: [],
        },
      ],
    },
  ])
  t.deepEqual(readdirSync(bench.folder).sort(), ['token', 'web.json'])
})

const unusable: readonly (readonly [string, string, RegExp])[] = [
  ['half a file', '{"apiVersion"', /web\.json is not used: .*expected JSON/],
  [
    'another service',
    JSON.stringify(saved('other')),
    /web\.json is not used: it is of service default\/other/,
  ],
  ['another kind', '{"items":[]}', /web\.json is not used: expected discovery/],
]

function saved(service: string): object {
  const labels = { 'kubernetes.io/service-name': service }
  const item = { ...slice('a', ['10.9.9.9']), metadata: { name: 'a', namespace: 'default', labels } }
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSliceList',
    metadata: { resourceVersion: '1' },
    items: [item],
  }
}

for (const [name, content, message] of unusable) {
  test(`on disk and not used: ${name}`, async (t) => {
    const bench = await Bench.start(t)
    const snapshotPath = join(bench.folder, 'web.json')
    writeFileSync(snapshotPath, content)
    const source = bench.source({ snapshotPath })
    t.teardown(() => source.stop())
    t.is(source.answer.kind, 'none')
    t.regex(bench.log.lines[0] ?? '', message)
  })
}

test('a folder that cannot be written is said once, and does not stop anything', async (t) => {
  const bench = await Bench.start(t)
  const snapshotPath = join(bench.folder, 'missing', 'web.json')
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t, { snapshotPath })
  bench.clock.advance(1000)
  await bench.until(() => bench.log.lines.length === 2)
  bench.server.set(slice('kong-a', ['10.0.0.2']))
  await bench.until(() => addresses(source).includes('10.0.0.2:8000'))
  const told = bench.log.take()
  t.regex(told[1] ?? '', /cannot be written: it is missing; a start without API server would know nothing/)
  t.is(told.length, 2)
})
