import { readFileSync } from 'node:fs'
import { join, matchesGlob } from 'node:path'
import test from 'ava'
import { parse } from 'yaml'
import { parseConfig } from '../../src/config/parse.ts'
import { checkout } from './image.ts'
import { documentsOf } from './kustomize.ts'
import { at } from './plain.ts'

const collector: unknown = parse(
  readFileSync(join(checkout, 'config/monitoring/otel-collector.yaml'), 'utf8'),
)
const observe = readFileSync(join(checkout, 'docs/observe.md'), 'utf8')
const [, line = '{}'] = /^```json\n(\{.*\})\n```$/m.exec(observe) ?? []
const record: Record<string, unknown> = JSON.parse(line)

function keys(value: unknown): readonly string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : []
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

const operators = list(at(collector, 'receivers', 'filelog', 'operators'))

test('collector: a pipeline has parts that are declared, and each that is declared is in one', (t) => {
  const pipelines = at(collector, 'service', 'pipelines')
  t.deepEqual(keys(pipelines), ['metrics', 'logs'])
  for (const kind of ['receivers', 'processors', 'exporters']) {
    const used = keys(pipelines).flatMap((name) => list(at(pipelines, name, kind)))
    t.deepEqual([...new Set(used)].toSorted(), keys(at(collector, kind)).toSorted(), kind)
  }
})

test('collector: it scrapes where the page is by default, under the name that the alerts look for', (t) => {
  const scrape = at(collector, 'receivers', 'prometheus', 'config', 'scrape_configs', 0)
  const parsed = parseConfig('forward: { 80: 127.0.0.1:9080 }', { file: 'edge.yaml', env: {} })
  const listen = parsed.kind === 'ok' ? parsed.config.admin.listen : null
  t.is(
    at(scrape, 'static_configs', 0, 'targets', 0),
    listen === null ? null : `${listen.host}:${listen.port}`,
  )
  const rules = readFileSync(join(checkout, 'config/kubernetes/monitoring/prometheus-rule.yaml'), 'utf8')
  t.true(rules.includes(`up{job="${String(at(scrape, 'job_name'))}"}`))
})

test('collector: it reads the files that the kubelet writes for the DaemonSet', (t) => {
  const [set] = documentsOf(join(checkout, 'config/kubernetes/base/daemonset.yaml'))
  const [space] = documentsOf(join(checkout, 'config/kubernetes/base/namespace.yaml'))
  const container = String(at(set, 'spec', 'template', 'spec', 'containers', 0, 'name'))
  const pod = `${String(at(space, 'metadata', 'name'))}_${String(at(set, 'metadata', 'name'))}-x7x2p_49cc7c1f-d370`
  const path = `/var/log/pods/${pod}/${container}/0.log`
  t.true(matchesGlob(path, String(at(collector, 'receivers', 'filelog', 'include', 0))), path)
})

test('collector: every field that it takes from a line is in the line', (t) => {
  const named = [...JSON.stringify(operators).matchAll(/attributes\.(\w+)/g)].map(([, name = '']) => name)
  t.true(named.length >= 4)
  t.deepEqual(
    named.filter((name) => !Object.hasOwn(record, name)),
    [],
  )
  t.true(/^{.*}$/.test(line), 'what the parser asks of a body')
})

test('collector: its layout of the time is that of the log', (t) => {
  const parser = operators.find((each) => at(each, 'type') === 'json_parser')
  const layout = String(at(parser, 'timestamp', 'layout'))
  const digits: Readonly<Record<string, number>> = { Y: 4, m: 2, d: 2, H: 2, M: 2, S: 2, L: 3 }
  const parts = layout.split(/(%\w)/)
  const pattern = parts.map((part) =>
    /^%\w$/.test(part) ? `\\d{${digits[part.slice(1)]}}` : RegExp.escape(part),
  )
  t.regex(String(record.time), new RegExp(`^${pattern.join('')}$`))
  t.is(at(parser, 'timestamp', 'location'), 'UTC')
})
