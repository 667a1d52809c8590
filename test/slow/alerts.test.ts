import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { stringify } from 'yaml'
import { checkout } from '../packaging/image.ts'
import { documentsOf } from '../packaging/kustomize.ts'
import { at } from '../packaging/plain.ts'

const [rule] = documentsOf(join(checkout, 'config/kubernetes/monitoring/prometheus-rule.yaml'))
const groups = at(rule, 'spec', 'groups')
const rules = at(groups, 0, 'rules')
const alerts = (Array.isArray(rules) ? rules : []).map((each) => String(at(each, 'alert')))

/** A sample every 15 s: `0x40` is ten minutes of zero; `_` none, `stale` the end of a series. */
type Series = Readonly<Record<string, string>>

interface Case {
  readonly claim: string
  /** Beside, or instead of, those of two healthy nodes. */
  readonly series: Series
  readonly at: string
  /** `Alert labels` of all that fire. */
  readonly firing: readonly string[]
}

const a = 'pool="web",endpoint="10.0.0.5:9443"'
const b = 'pool="web",endpoint="10.0.0.6:9443"'
const state = (node: string, endpoint: string, name: string) =>
  `spliceway_endpoint_state{instance="${node}",${endpoint},state="${name}"}`
const up = (node: string, endpoint: string) => `spliceway_endpoint_up{instance="${node}",${endpoint}}`
const found = (node: string, pool: string) =>
  `spliceway_discovery_endpoints{instance="${node}",pool="${pool}"}`
const age = (node: string, pool: string) =>
  `spliceway_discovery_age_seconds{instance="${node}",pool="${pool}"}`
const attempts = (node: string, endpoint: string) =>
  `spliceway_upstream_connect_attempts_total{instance="${node}",${endpoint}}`
const unanswered = (node: string, endpoint: string) =>
  `spliceway_upstream_dials_unanswered_total{instance="${node}",${endpoint}}`
const silent = (node: string, endpoint: string) => `spliceway_endpoint_silent{instance="${node}",${endpoint}}`
const dials = (node: string, suffix: string, le = '') =>
  `spliceway_upstream_connect_duration_seconds_${suffix}{instance="${node}"${le}}`
const info = (node: string) => `spliceway_build_info{instance="${node}",version="0.1.0"}`
const target = (node: string) => `up{job="spliceway-metrics",instance="${node}"}`

function healthy(node: string): Series {
  return {
    [target(node)]: '1x400',
    [info(node)]: '1x400',
    [up(node, a)]: '1x400',
    [up(node, b)]: '1x400',
    [state(node, a, 'up')]: '1x400',
    [state(node, a, 'down')]: '0x400',
    [state(node, b, 'up')]: '1x400',
    [state(node, b, 'draining')]: '0x400',
    [found(node, 'web')]: '2x400',
    [age(node, 'web')]: '300x400',
    [`spliceway_connections_limit{instance="${node}"}`]: '500x400',
    [`spliceway_listeners_held{instance="${node}",listener="https"}`]: '0x400',
    [`spliceway_connections_closed_total{instance="${node}",listener="https",cause="none",phase="data"}`]:
      '0+50x400',
    [`spliceway_connections_closed_total{instance="${node}",listener="https",cause="endpoint-down",phase="connect"}`]:
      '3x400',
    [`spliceway_connections_rejected_total{instance="${node}",listener="https",reason="limit"}`]: '7x400',
    [`spliceway_local_ports_exhausted_total{instance="${node}",${a}}`]: '2x400',
    [attempts(node, a)]: '0+40x400',
    [attempts(node, b)]: '0+40x400',
    [unanswered(node, a)]: '5x400',
    [unanswered(node, b)]: '0+1x400',
    [silent(node, a)]: '0x400',
    [dials(node, 'bucket', ',le="0.25"')]: '0+78x400',
    [dials(node, 'count')]: '0+80x400',
    [`spliceway_config_last_reload_successful{instance="${node}"}`]: '1x400',
    [`spliceway_worker_restarts_total{instance="${node}"}`]: '1x400',
    [`spliceway_log_lines_dropped_total{instance="${node}"}`]: '9x400',
  }
}

const cases: readonly Case[] = [
  { claim: 'two healthy nodes with a past are silent', series: {}, at: '90m', firing: [] },
  {
    claim: 'SplicewayMissing: nobody is scraped',
    series: Object.fromEntries(
      ['n1', 'n2'].flatMap((n) => Object.keys(healthy(n)).map((key) => [key, '_x400'])),
    ),
    at: '10m',
    firing: ['SplicewayMissing'],
  },
  {
    claim: 'SplicewayNodeMissing: a target that does not answer, and only that one',
    series: { [target('n2')]: '1x20 0x380', [info('n2')]: '1x20 stale' },
    at: '11m',
    firing: ['SplicewayNodeMissing instance="n2"'],
  },
  {
    claim: 'SplicewayNodeMissing: a target that never answered',
    series: { [target('n3')]: '0x400' },
    at: '6m',
    firing: ['SplicewayNodeMissing instance="n3"'],
  },
  {
    claim: 'SplicewayNodeMissing: a node that is not even a target any more',
    series: { [target('n2')]: '1x20 stale', [info('n2')]: '1x20 stale' },
    at: '11m',
    firing: ['SplicewayNodeMissing instance="n2"'],
  },
  {
    claim: 'SplicewayNodeMissing: not for a moment, and not for a version that another one has replaced',
    series: {
      [target('n2')]: '1x20 0x8 1x300',
      [info('n2')]: '1x20 stale',
      'spliceway_build_info{instance="n2",version="0.2.0"}': '_x28 1x300',
    },
    at: '12m',
    firing: [],
  },
  {
    claim: 'SplicewayPoolDown: all endpoints are down, on one node of two',
    series: { [up('n1', a)]: '0x400', [up('n1', b)]: '0x400' },
    at: '3m',
    firing: ['SplicewayPoolDown instance="n1",pool="web"'],
  },
  {
    claim: 'SplicewayPoolDown: not while one of a pool is up',
    series: { [up('n1', a)]: '0x400' },
    at: '20m',
    firing: [],
  },
  {
    claim: 'SplicewayPoolDown: a pool that became empty, for as long as it is',
    series: { [up('n1', a)]: '1x20 stale', [up('n1', b)]: '1x20 stale', [found('n1', 'web')]: '2x20 0x380' },
    at: '90m',
    firing: ['SplicewayPoolDown instance="n1",pool="web"'],
  },
  {
    claim: 'SplicewayPoolDown: a pool that was never filled',
    series: { [found('n2', 'late')]: '0x400' },
    at: '30m',
    firing: ['SplicewayPoolDown instance="n2",pool="late"'],
  },
  {
    claim: 'SplicewayPoolDown: a pool of names without an address',
    series: {
      [up('n1', 'pool="names",endpoint="node.example:9443"')]: '0x400',
      [state('n1', 'pool="names",endpoint="node.example:9443"', 'unresolved')]: '1x400',
    },
    at: '10m',
    firing: [
      'SplicewayEndpointDown instance="n1",pool="names",endpoint="node.example:9443"',
      'SplicewayPoolDown instance="n1",pool="names"',
    ],
  },
  {
    claim:
      'SplicewayDiscoveryStale: nobody has confirmed the endpoints of one pool for more than six minutes, five of them',
    series: { [age('n1', 'web')]: '0+15x400' },
    at: '12m',
    firing: ['SplicewayDiscoveryStale instance="n1",pool="web"'],
  },
  {
    claim: 'SplicewayDiscoveryStale: not for a source that was away for ten minutes and is back',
    series: { [age('n1', 'web')]: '0+15x40 0x360' },
    at: '12m',
    firing: [],
  },
  {
    claim: 'churn: endpoints that have left leave no alert behind',
    series: {
      [up('n1', a)]: '1x10 0x10 stale',
      [state('n1', a, 'up')]: '1x10 0x10 stale',
      [state('n1', a, 'down')]: '0x10 1x10 stale',
      [up('n1', 'pool="web",endpoint="10.0.0.7:9443"')]: '_x20 1x380',
      [state('n1', 'pool="web",endpoint="10.0.0.7:9443"', 'up')]: '_x20 1x380',
    },
    at: '12m',
    firing: [],
  },
  {
    claim: 'churn: a pool whose endpoints have all been replaced is not down',
    series: {
      [up('n1', a)]: '0x20 stale',
      [up('n1', b)]: '0x20 stale',
      [up('n1', 'pool="web",endpoint="10.0.0.7:9443"')]: '_x20 1x380',
    },
    at: '20m',
    firing: [],
  },
  ...['down', 'ejected', 'suspect'].map((name) => ({
    claim: `SplicewayEndpointDown: ${name} for five minutes`,
    series: { [state('n1', a, 'up')]: '0x400', [state('n1', a, name)]: '1x400' },
    at: '7m',
    firing: [`SplicewayEndpointDown instance="n1",${a}`],
  })),
  {
    claim: 'SplicewayEndpointDown: from ejected to down is one and the same',
    series: { [state('n1', a, 'ejected')]: '1x12 0x380', [state('n1', a, 'down')]: '0x12 1x380' },
    at: '7m',
    firing: [`SplicewayEndpointDown instance="n1",${a}`],
  },
  {
    claim: 'SplicewayEndpointDown: drained by hand is not down, nor is unknown',
    series: {
      [up('n1', b)]: '0x400',
      [state('n1', b, 'up')]: '0x400',
      [state('n1', b, 'draining')]: '1x400',
      [state('n1', a, 'unknown')]: '1x400',
    },
    at: '60m',
    firing: [],
  },
  {
    claim: 'SplicewayClientsUnserved: clients reach no endpoint for five minutes',
    series: {
      'spliceway_connections_closed_total{instance="n1",listener="https",cause="endpoint-down",phase="connect"}':
        '3+1x400',
    },
    at: '12m',
    firing: ['SplicewayClientsUnserved instance="n1",listener="https"'],
  },
  {
    claim: 'SplicewayGatewaySlow: a quarter of the dials of one endpoint has no answer within hedgeAfter',
    series: { [unanswered('n1', a)]: '5+10x400' },
    at: '12m',
    firing: [`SplicewayGatewaySlow instance="n1",${a}`],
  },
  {
    claim: 'SplicewayGatewaySlow: it accepts and says nothing',
    series: { [silent('n1', a)]: '0x8 1x390' },
    at: '9m',
    firing: [`SplicewayGatewaySlow instance="n1",${a}`],
  },
  {
    claim: 'SplicewayGatewaySlow: not for two minutes of it, nor for an endpoint that nobody asks',
    series: {
      [unanswered('n1', a)]: '5+10x8 85x390',
      [attempts('n2', b)]: '0x400',
      [unanswered('n2', b)]: '0x400',
    },
    at: '7m',
    firing: [],
  },
  {
    claim: 'SplicewayDialsSlow: a quarter takes longer than 250 ms',
    series: { [dials('n2', 'bucket', ',le="0.25"')]: '0+60x400' },
    at: '12m',
    firing: ['SplicewayDialsSlow instance="n2"'],
  },
  {
    claim: 'SplicewayDialsSlow: not on a node without a dial',
    series: { [dials('n2', 'bucket', ',le="0.25"')]: '7x400', [dials('n2', 'count')]: '9x400' },
    at: '30m',
    firing: [],
  },
  {
    claim: 'SplicewayFull: a listener is held again and again, on the default plane',
    series: { 'spliceway_listeners_held{instance="n1",listener="https"}': '0x4 2x4 0x4 1x4 0x2 1x300' },
    at: '8m',
    firing: ['SplicewayFull instance="n1",listener="https"'],
  },
  {
    claim: 'SplicewayFull: once is not enough, and it ends when it is over',
    series: { 'spliceway_listeners_held{instance="n1",listener="https"}': '0x4 2x1 0x300' },
    at: '4m',
    firing: [],
  },
  {
    claim: 'SplicewayConnectionsRejected: the net plane, or no memory',
    series: {
      'spliceway_connections_rejected_total{instance="n1",listener="https",reason="resource"}': '0x20 1x300',
    },
    at: '6m',
    firing: ['SplicewayConnectionsRejected instance="n1",listener="https"'],
  },
  {
    claim: 'SplicewayLocalPortsExhausted',
    series: { [`spliceway_local_ports_exhausted_total{instance="n1",${a}}`]: '2x20 8x300' },
    at: '6m',
    firing: ['SplicewayLocalPortsExhausted instance="n1",pool="web"'],
  },
  {
    claim: 'SplicewayConfigurationRefused',
    series: { 'spliceway_config_last_reload_successful{instance="n1"}': '1x10 0x300' },
    at: '9m',
    firing: ['SplicewayConfigurationRefused instance="n1"'],
  },
  {
    claim: 'SplicewayWorkerDied',
    series: { 'spliceway_worker_restarts_total{instance="n1"}': '1x10 2x300' },
    at: '9m',
    firing: ['SplicewayWorkerDied instance="n1"'],
  },
  {
    claim: 'SplicewayLogLinesDropped',
    series: { 'spliceway_log_lines_dropped_total{instance="n1"}': '9x10 30x300' },
    at: '9m',
    firing: ['SplicewayLogLinesDropped instance="n1"'],
  },
]

const severities = new Map(
  (Array.isArray(rules) ? rules : []).map((each) => [
    String(at(each, 'alert')),
    String(at(each, 'labels', 'severity')),
  ]),
)

/** `SplicewayFull instance="n1"` as Prometheus keeps it. */
function sampleOf(firing: string): string {
  const [name = '', labels] = firing.split(' ')
  const own = labels === undefined ? '' : `,${labels}`
  return `ALERTS{alertname="${name}",alertstate="firing",severity="${severities.get(name)}"${own}}`
}

function testOf({ claim, series, at: time, firing }: Case): object {
  const input = { ...healthy('n1'), ...healthy('n2'), ...series }
  return {
    name: claim,
    interval: '15s',
    input_series: Object.entries(input).map(([each, values]) => ({ series: each, values })),
    promql_expr_test: [
      {
        expr: 'ALERTS{alertstate="firing"}',
        eval_time: time,
        exp_samples: firing.map((each) => ({ labels: sampleOf(each), value: 1 })),
      },
    ],
  }
}

const promtool = spawnSync('promtool', ['--version']).status === 0
const withPromtool = promtool ? test : test.skip
const missing = promtool ? '' : ' (skipped: no promtool here; Debian has it in the package prometheus)'

for (const each of cases) {
  withPromtool(`${each.claim}${missing}`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-alerts-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'rules.yaml'), stringify({ groups }))
    const tests = { rule_files: ['rules.yaml'], evaluation_interval: '15s', tests: [testOf(each)] }
    writeFileSync(join(folder, 'tests.yaml'), stringify(tests))
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', join(folder, 'tests.yaml')], {
      encoding: 'utf8',
    })
    t.is(status, 0, `${stdout}${stderr}`)
  })
}

test('every alert is seen to fire', (t) => {
  const fired = new Set(cases.flatMap(({ firing }) => firing.map((each) => each.split(' ')[0])))
  t.true(alerts.length >= 10)
  t.deepEqual(
    alerts.filter((alert) => !fired.has(alert)),
    [],
  )
})
