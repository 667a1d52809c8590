import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { stringify } from 'yaml'
import { Tally } from '../../src/core/tally.ts'
import { processFamilies } from '../../src/telemetry/process-families.ts'
import { trafficFamilies } from '../../src/telemetry/traffic-families.ts'
import { checkout } from './image.ts'

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource?: { readonly uid: string }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}

const dashboard: {
  readonly panels: readonly Panel[]
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly definition?: string }[]
  }
} = JSON.parse(readFileSync(join(checkout, 'config/monitoring/grafana-dashboard.json'), 'utf8'))
const targets = dashboard.panels.flatMap((panel) =>
  (panel.targets ?? []).map((target) => ({ title: panel.title, ...target })),
)
const expressions = targets.map(({ expr }) => expr)
const variables = dashboard.templating.list

/** All that the program tells, with every label that a series can have. */
const families = [
  ...trafficFamilies({
    tally: new Tally(1),
    listeners: () => [{ name: 'http', slot: 0 }],
    endpoints: () => [
      {
        pool: 'web',
        endpoint: '10.0.0.5:80',
        slot: 0,
        ejections: 0,
        now: { state: 'up', up: true, share: 1 },
      },
    ],
    unresolved: () => [],
    connectionsLimit: () => 1,
    rangeFiles: () => [{ listener: 'http', list: 'deny', current: true }],
    poolTimes: () => [{ pool: 'web', firstByte: new Float64Array(13), clientRtt: new Float64Array(14) }],
    discovery: () => [{ pool: 'web', ageMs: 0, endpoints: 1, failures: { lookup: 0 } }],
    healthChecks: () => ({ success: 0, failure: 0 }),
    draining: () => false,
    lastReloadSuccessful: () => true,
    logLinesDropped: () => 0,
    predecessors: () => [{ pid: 7, version: '0', connections: 3, endsInMs: 60_000, heardMsAgo: 0 }],
    workerDeaths: () => ({ restarts: 0, adopted: 0, lost: { poison: 0 } }),
    build: { version: '0', plane: 'net', node: 'v26' },
    openFileLimit: 0,
  }),
  ...processFamilies(1024),
]
/** Labels by the name of a series: `X_bucket` of a histogram X. Prometheus itself adds `instance`. */
const series = new Map<string, ReadonlySet<string>>()
for (const family of families) {
  for (const { suffix, labels } of family.collect()) {
    const name = family.name + suffix
    series.set(name, new Set([...(series.get(name) ?? ['instance']), ...Object.keys(labels)]))
  }
}

const namePattern = /\b(?:spliceway|process|nodejs)_\w+/g

test('every metric on the dashboard exists', (t) => {
  t.true(expressions.length >= 30)
  const asked = [...expressions, ...variables.flatMap(({ definition }) => definition ?? [])]
  for (const expression of asked) {
    const names = expression.match(namePattern) ?? []
    t.true(names.length > 0, expression)
    for (const name of names) t.true(series.has(name), name)
  }
})

test('every metric of the program is on the dashboard, but for one that the state shows', (t) => {
  const shown = expressions.join('\n')
  const lost = families
    .map(({ name }) => name)
    .filter((name) => name.startsWith('spliceway_') && !new RegExp(`\\b${name}(?:_bucket)?\\b`).test(shown))
  t.deepEqual(lost, ['spliceway_endpoint_suspect'])
})

test('every label that the dashboard selects or groups by is one of the metric', (t) => {
  for (const { expr, legendFormat } of targets) {
    for (const [, name = '', selector = ''] of expr.matchAll(/\b((?:spliceway|process)_\w+)\{([^}]*)\}/g)) {
      for (const [, label = ''] of selector.matchAll(/(\w+)(?:=~|!=|=)"/g)) {
        t.true(series.get(name)?.has(label), `${name} has no label ${label}`)
      }
    }
    const groups = [...expr.matchAll(/\bby \(([\w, ]+)\)/g)].flatMap(([, words = '']) => words.split(', '))
    const known = new Set((expr.match(namePattern) ?? []).flatMap((name) => [...(series.get(name) ?? [])]))
    for (const label of groups) t.true(known.has(label), `${expr}: ${label}`)
    for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
      // Without a group a series keeps the labels that it has.
      t.true(
        groups.length === 0 ? known.has(label) : groups.includes(label),
        `${expr}: ${label} in the legend`,
      )
    }
  }
})

test('every variable of the dashboard is declared, and used', (t) => {
  const used = new Set(
    [...JSON.stringify(dashboard).matchAll(/\$\{?([a-z]\w*)/g)].map(([, name = '']) => name),
  )
  t.deepEqual([...used].toSorted(), variables.map(({ name }) => name).toSorted())
})

test('panels have an identity and a data source to choose, and none covers another', (t) => {
  const { panels } = dashboard
  t.is(new Set(panels.map(({ id }) => id)).size, panels.length)
  const taken = new Map<string, string>()
  for (const { title, type, datasource, gridPos } of panels) {
    const { x, y, w, h } = gridPos
    if (type !== 'row') t.is(datasource?.uid, '${' + 'datasource}', title)
    t.true(x + w <= 24, title)
    for (let row = y; row < y + h; row++) {
      for (let column = x; column < x + w; column++) {
        const place = `${row},${column}`
        t.is(taken.get(place), undefined, `${title} covers ${taken.get(place)}`)
        taken.set(place, title)
      }
    }
  }
})

const promtool = spawnSync('promtool', ['--version']).status === 0
const withPromtool = promtool ? test : test.skip
const missing = promtool ? '' : ' (skipped: no promtool here; Debian has it in the package prometheus)'

withPromtool(`Prometheus understands every expression of the dashboard${missing}`, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-dashboard-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const rules = expressions.map((expr, at) => ({
    record: `panel:${at}`,
    expr: expr.replaceAll('$__rate_interval', '5m'),
  }))
  const file = join(folder, 'rules.yaml')
  writeFileSync(file, stringify({ groups: [{ name: 'dashboard', rules }] }))
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', file], { encoding: 'utf8' })
  t.is(status, 0, `${stdout}${stderr}`)
})
