import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { readSliceList } from '../../../src/control/kubernetes/slice-shape.ts'
import { parsed } from '../../../src/control/kubernetes/watch-event.ts'
import { addresses, Bench, slice } from './bench.ts'

const start = 'pool web: service default/kong'

test('a valid answer that is empty empties the pool, and says what was there', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1', '10.0.0.2']))
  const source = await bench.watching(t)
  bench.server.set(slice('kong-a', []))
  await bench.until(() => addresses(source).length === 0)
  bench.server.delete('kong-a')
  await bench.until(() => bench.log.lines.length === 3)
  bench.server.set(slice('kong-a', ['10.0.0.3']))
  await bench.until(() => addresses(source).length === 1)
  t.deepEqual(bench.log.take(), [
    `info ${start} has 2 endpoints: 10.0.0.1:8000, 10.0.0.2:8000`,
    `warn ${start} has no usable endpoint any more: none is ready; it had 2 endpoints: 10.0.0.1:8000, 10.0.0.2:8000`,
    `warn ${start} has no usable endpoint: it has no EndpointSlices (is there such a Service?)`,
    `info ${start} has 1 endpoint: 10.0.0.3:8000`,
  ])
})

const empty: readonly (readonly [string, object, object, string])[] = [
  ['another port', {}, { port: 'htpp' }, 'it has no TCP port named `htpp`, only `http`'],
  ['no port', { ports: [] }, {}, 'it has no TCP port named `http`, none at all'],
  ['nothing ready here', {}, { locality: 'node-only' }, 'none is ready on node node-a'],
]

for (const [name, changes, options, why] of empty) {
  test(`an empty answer says why: ${name}`, async (t) => {
    const bench = await Bench.start(t)
    bench.server.set(slice('kong-a', ['10.0.0.1'], changes))
    const source = await bench.watching(t, options)
    t.like(source.answer, { kind: 'known', endpoints: [] })
    t.deepEqual(bench.log.take(), [`warn ${start} has no usable endpoint: ${why}`])
  })
}

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
  await bench.until(() => source.report.confirmedMs === 1000)
  t.is(bench.changes, 1)
  t.like(source.answer, { kind: 'known', confirmedMs: 1000 })
})

test('the report counts failures by kind, and knows how old the answer is', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.clock.advance(500)
  bench.server.mood = { kind: 'refuse', code: 403, retryAfterSeconds: null }
  bench.server.breakWatches('', 'reset')
  await bench.failed(source, 'connection')
  bench.clock.advance(1200)
  await bench.failed(source, 'forbidden')
  bench.clock.advance(2400)
  await bench.failed(source, 'forbidden', 2)
  t.deepEqual(
    [...source.report.failures],
    [
      ['connection', 1],
      ['forbidden', 2],
    ],
  )
  t.is(source.report.confirmedMs, 0)
  t.like(source.answer, { kind: 'known', confirmedMs: 0 })
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
  t.is(source.report.confirmedMs, null)
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
  t.regex(told[1] ?? '', /cannot be written: ENOENT.*a start without API server would know nothing/)
  t.is(told.length, 2)
})
