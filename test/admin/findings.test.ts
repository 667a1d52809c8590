import test from 'ava'
import { History, type Past } from '../../src/admin/history.ts'
import type { Finding } from '../../src/admin/page/finding.ts'
import { findingsOf } from '../../src/admin/page/findings.ts'
import { logCommand } from '../../src/admin/page/overview.ts'
import type { EndpointStatus, PoolStatus, Status } from '../../src/core/status.ts'
import { exampleStatus } from '../telemetry/example-app.ts'

const nothing: Past = new History().past(0)
const ready = { ok: true, reasons: [] }

const up: EndpointStatus = {
  endpoint: '10.0.0.5:9443',
  name: null,
  priority: 0,
  weight: 1,
  share: 1,
  state: 'up',
  reason: 'tcp: connected in 1 ms',
  forMs: 65_000,
  active: 2,
}
const pool: PoolStatus = {
  name: 'web',
  balance: 'p2c',
  panic: false,
  waiting: false,
  endpoints: [up, { ...up, endpoint: '10.0.0.6:9443' }],
  discovery: null,
}
const healthy: Status = {
  ...exampleStatus,
  pools: [pool],
  config: { ...exampleStatus.config, lastReload: { successful: true, message: '' } },
}

function found(change: Partial<Status>, more: { past?: Past; reasons?: readonly string[] } = {}) {
  const { past = nothing, reasons = [] } = more
  return findingsOf({ ...healthy, ...change }, reasons.length > 0 ? { ok: false, reasons } : ready, past)
}

function only(t: { is(a: unknown, b: unknown): unknown }, findings: readonly Finding[]): Finding {
  t.is(findings.length, 1)
  const [finding] = findings
  if (finding === undefined) throw new Error('nothing is found')
  return finding
}

function endpoints(...changes: readonly Partial<EndpointStatus>[]): Partial<Status> {
  return { pools: [{ ...pool, endpoints: changes.map((change) => ({ ...up, ...change })) }] }
}

test('of a healthy program nothing is said', (t) => {
  t.deepEqual(found({}), [])
})

test('one endpoint that is down hurts, says for how long and why', (t) => {
  const finding = only(t, found(endpoints({}, { state: 'down', reason: 'tcp: connection refused' })))
  t.is(finding.severity, 'hurts')
  t.is(finding.what, '10.0.0.5:9443 of pool web has been down for 1 min 5 s')
  t.is(finding.why, 'tcp: connection refused')
  t.deepEqual(finding.about, { kind: 'pool', name: 'web' })
})

test('each state that is not well has its own words and a way out', (t) => {
  const states = ['down', 'ejected', 'suspect', 'silent', 'unresolved'] as const
  const all = states.map((state) => only(t, found(endpoints({}, { state }))))
  t.is(new Set(all.map(({ what }) => what)).size, states.length)
  t.is(new Set(all.map(({ remedy }) => remedy)).size, states.length)
  t.true(all.every(({ command }) => command !== null))
})

test('a pool of which nothing is up blocks, and comes before its endpoints', (t) => {
  const [first, ...rest] = found({
    pools: [{ ...pool, panic: true, endpoints: [{ ...up, state: 'down', reason: 'tcp: timed out' }] }],
  })
  t.is(first?.severity, 'blocks')
  t.is(first?.what, 'No endpoint of pool web is up, so all are tried')
  t.is(rest.length, 1)
})

test('a pool that was drained empty by hand says how to take one back', (t) => {
  const finding = found(endpoints({ state: 'draining' }))[0]
  t.is(finding?.severity, 'blocks')
  t.is(finding?.command, 'spliceway endpoint web 10.0.0.5:9443 ready')
})

test('an endpoint that was drained by hand is a note', (t) => {
  t.is(only(t, found(endpoints({}, { state: 'draining' }))).severity, 'note')
})

test('many endpoints of a pool are one finding', (t) => {
  const down = Array.from(
    { length: 50 },
    (_, at) => ({ state: 'down', endpoint: `10.0.0.${at}:80` }) as const,
  )
  const finding = only(t, found(endpoints({}, ...down)))
  t.regex(finding.what, /^50 of 51 endpoints of pool web are not up: 10\.0\.0\.0:80, .* and 40 more$/)
})

test('an empty pool blocks, with what its source says', (t) => {
  const discovery = { source: 'dns a A', state: 'none', reason: 'no such name', failing: null } as const
  const empty = { ...pool, endpoints: [], discovery: { ...discovery, failures: {}, ageMs: 1, endpoints: 0 } }
  const finding = only(t, found({ pools: [empty] }))
  t.is(finding.severity, 'blocks')
  t.is(finding.why, 'no such name')
})

test('a full listener blocks, a nearly full one hurts', (t) => {
  const at = (active: number): Partial<Status> => ({
    listeners: healthy.listeners.map((each) => ({
      ...each,
      maxConnections: 10,
      active,
      full: active === 10 ? 'listener-limit' : null,
    })),
  })
  t.deepEqual(
    found(at(10)).map(({ severity }) => severity),
    ['blocks', 'blocks'],
  )
  t.deepEqual(
    found(at(8)).map(({ severity }) => severity),
    ['hurts', 'hurts'],
  )
  t.deepEqual(found(at(7)), [])
})

test('a full program blocks once, whatever its listeners say', (t) => {
  const finding = only(
    t,
    found({
      connections: { active: 100, limit: 100, limitedBy: 'open files: 456' },
      listeners: healthy.listeners.map((each) => ({ ...each, full: 'limit' })),
    }),
  )
  t.is(finding.why, 'limited by: open files: 456')
})

test('not ready comes with the reasons', (t) => {
  const finding = only(t, found({}, { reasons: ['pool web has no usable endpoint', 'full'] }))
  t.is(finding.severity, 'blocks')
  t.is(finding.why, 'pool web has no usable endpoint; full')
})

test('a drain is a note, and says nothing of readiness', (t) => {
  t.is(only(t, found({ state: 'draining' }, { reasons: ['draining'] })).severity, 'note')
})

test('a worker that is silent, or gone, blocks', (t) => {
  const worker = { index: 2, alive: true, heartbeatAgeMs: 9_000, active: 7, restarts: 0 }
  t.is(
    only(t, found({ workers: [worker] })).what,
    'Worker 2 has given no sign of life for 9 s: its 7 connections stand still',
  )
  t.is(only(t, found({ workers: [{ ...worker, alive: false }] })).severity, 'blocks')
  t.is(only(t, found({ workers: [{ ...worker, heartbeatAgeMs: 1, restarts: 2 }] })).severity, 'note')
})

test('a refused reload says which file, quoted for the shell', (t) => {
  const lastReload = { successful: false, message: 'error: unknown key\n  --> edge.yaml:4:5\n' }
  const finding = only(t, found({ config: { source: "my $(edge)'s.yaml", loadedMsAgo: 1, lastReload } }))
  t.is(finding.why, 'error: unknown key')
  t.is(finding.command, `spliceway check 'my $(edge)'\\''s.yaml' && spliceway reload`)
})

test('connections that failed in the last five minutes hurt, earlier ones are over', (t) => {
  const history = new History()
  const add = (failed: number, atMs: number): void =>
    history.add(
      { listeners: healthy.listeners.map((each) => ({ ...each, failed: { server: failed } })), pools: [] },
      atMs,
    )
  add(100, 0)
  add(103, 10_000)
  const finding = found({}, { past: history.past(10_000) })[0]
  t.is(finding?.severity, 'hurts')
  t.regex(finding?.what ?? '', /3 of 3 connections failed in the last 5 min$/)
  for (let each = 2; each < 40; each++) add(103, each * 10_000)
  t.deepEqual(found({}, { past: history.past(400_000) }), [])
})

test('a failure among many connections is a note', (t) => {
  const history = new History()
  const [listener] = healthy.listeners
  if (listener === undefined) throw new Error('the example has lost its listener')
  for (const [accepted, failed] of [
    [0, 0],
    [1_000, 9],
  ] as const)
    history.add({ listeners: [{ ...listener, accepted, failed: { server: failed } }], pools: [] }, accepted)
  t.is(only(t, found({}, { past: history.past(0) })).severity, 'note')
})

test('where the log is read depends on who started the program', (t) => {
  t.is(logCommand({}), null)
  t.is(logCommand({ INVOCATION_ID: 'a' }), 'journalctl -u spliceway -p warning --since=-5min')
  t.regex(logCommand({ KUBERNETES_SERVICE_HOST: '10.96.0.1' }) ?? '', /^kubectl -n spliceway logs /)
})
