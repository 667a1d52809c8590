import { readFileSync } from 'node:fs'
import test from 'ava'
import { isMap, isNode, isSeq, type Node, parseDocument } from 'yaml'
import type { Config } from '../../src/config/config.ts'
import { jsonSchema } from '../../src/config/json-schema.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { renderProblem } from '../../src/config/problem.ts'
import { allKeys } from './keys.ts'

const read = (name: string) => readFileSync(new URL(`../../config/${name}`, import.meta.url), 'utf8')

function ok(text: string): Config {
  const parsed = parseConfig(text, { file: 'edge.yaml', env: {} })
  const problems = parsed.kind === 'ok' ? parsed.warnings : parsed.problems
  if (parsed.kind === 'ok' && problems.length === 0) return parsed.config
  throw new Error(problems.map((problem) => renderProblem(problem)).join('\n'))
}

test('config/reference.yaml shows every default', (t) => {
  t.deepEqual(
    ok(read('reference.yaml')),
    ok(`
listeners: [{ name: http, listen: "[::]:80", pool: web }]
pools: { web: { endpoints: [127.0.0.1:9080] } }
`),
  )
})

/** Names of all fields, wherever they are. */
function keysOf(schema: unknown, keys = new Set<string>()): ReadonlySet<string> {
  if (typeof schema !== 'object' || schema === null) return keys
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties' && typeof value === 'object' && value !== null) {
      for (const name of Object.keys(value)) keys.add(name)
    }
    keysOf(value, keys)
  }
  return keys
}

test('config/reference.yaml names every key', (t) => {
  const text = read('reference.yaml')
  const keys = [...keysOf(jsonSchema())]
  t.true(keys.length > 50)
  t.deepEqual(
    keys.filter((key) => !new RegExp(`\\b${key}:`).test(text)),
    [],
  )
})

/** What the file has at `path`: the part itself, or the smallest one around it that has lines of its own. */
function around(root: Node | null, path: readonly string[]): { found: boolean; text: string } {
  let at: unknown = root
  let block: Node | null = root
  for (const step of path) {
    if (isSeq(at) && step === '[]') at = at.items[0]
    else if (isMap(at)) at = step === '*' ? at.items[0]?.value : at.get(step, true)
    else at = undefined
    if (at === undefined || at === null) break
    if (isMap(at) && at.flow !== true) block = at
  }
  const [start = 0, , end = 0] = block?.range ?? []
  const text = read('reference.yaml')
  return { found: isNode(at), text: block === root ? text : text.slice(start, end) }
}

test('config/reference.yaml has every key in its place, with a value or in a comment', (t) => {
  const { contents } = parseDocument(read('reference.yaml'))
  // Endpoints of the short form are as those of a pool.
  const places = allKeys().filter(({ path }) => path[0] !== 'forward' || path.length === 1)
  const lost = places.filter(({ path }) => {
    const { found, text } = around(contents, path)
    const comments = text.split('\n').flatMap((line) => /#.*/.exec(line)?.[0] ?? [])
    return !found && !comments.some((comment) => new RegExp(`[ {]${path.at(-1)}:`).test(comment))
  })
  // What to add, and where.
  t.deepEqual(
    lost.map(
      ({ path, usual, means }) => `${path.slice(0, -1).join('.')}: ${path.at(-1)}: ${usual} # ${means}`,
    ),
    [],
  )
})

test('config/reference.yaml names every word that a key takes', (t) => {
  const text = read('reference.yaml')
  const lost = allKeys().flatMap(({ path, words }) =>
    words
      .filter((word) => typeof word === 'string' && !new RegExp(`(?<!\\w)${word}(?!\\w)`).test(text))
      .map((word) => `${path.join('.')}: ${word}`),
  )
  t.deepEqual(lost, [])
})

test('what config/reference.yaml has in comments is accepted when it is uncommented', (t) => {
  const lines = read('reference.yaml').split('\n')
  const forward = lines.flatMap((line) => /^# (forward:| {2}.*)$/.exec(line)?.[1] ?? [])
  t.is(ok(forward.join('\n')).listeners.length, 2)
  const probes = lines.flatMap((line) => /^ +# ((?:tcp|http|https|tls): \{.*\})/.exec(line)?.[1] ?? [])
  t.is(probes.length, 5)
  for (const probe of probes) {
    const text = `forward: { 80: 127.0.0.1:9080 }\nlisteners: [{ name: a, listen: "[::]:81", pool: web }]
pools: { web: { endpoints: [127.0.0.1:9080], health: { ${probe} } } }`
    t.notThrows(() => ok(text))
  }
})

test('config/minimal.yaml forwards 80 and 443', (t) => {
  const { listeners } = ok(read('minimal.yaml'))
  t.deepEqual(
    listeners.map(({ host, port }) => ({ host, port })),
    [
      { host: '::', port: 80 },
      { host: '::', port: 443 },
    ],
  )
})

const gateways = [
  { name: 'apisix.yaml', ports: [9181, 9182], ready: 7085 },
  { name: 'kong.yaml', ports: [9080, 9443], ready: 8100 },
]
for (const { name, ports, ready } of gateways) {
  test(`config/${name} sends PROXY v2 to three nodes and asks their readiness port`, (t) => {
    const { pools, admin } = ok(read(name))
    t.deepEqual(
      pools.map(({ endpoints }) => endpoints.map((one) => 'port' in one && one.port)),
      ports.map((port) => [port, port, port]),
    )
    for (const { health, sendProxyProtocol } of pools) {
      t.is(sendProxyProtocol, 'v2')
      t.like(health.probe, { kind: 'http', port: ready, path: '/status/ready', secure: false })
    }
    t.deepEqual(
      admin.readyRequires,
      pools.map(({ name }) => name),
    )
  })
}

for (const name of ['minimal.yaml', 'reference.yaml', 'apisix.yaml', 'kong.yaml']) {
  test(`config/${name} tells editors of the schema in its first line`, (t) => {
    t.is(read(name).split('\n')[0], '# yaml-language-server: $schema=./schema.json')
  })
}
