// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration
import { readFileSync } from 'node:fs'
import test from 'ava'
import { parse } from 'yaml'
import { z } from 'zod'
import { jsonSchema, schemaText } from '../../src/config/json-schema.ts'
import { allKeys } from './keys.ts'

const read = (name: string) => readFileSync(new URL(`../../config/${name}`, import.meta.url), 'utf8')
const inEditor = z.fromJSONSchema(jsonSchema())

test('config/schema.json is what the schema generates (npm run schema)', (t) => {
  t.is(read('schema.json'), schemaText())
})

for (const name of ['minimal.yaml', 'reference.yaml', 'apisix.yaml', 'kong.yaml']) {
  test(`an editor finds no fault with config/${name}`, (t) => {
    t.deepEqual(inEditor.safeParse(parse(read(name))).error?.issues, undefined)
  })
}

const accepted = [
  'forward: { 80: "${GATEWAY}" }',
  'forward: { 80: [127.0.0.1:1, { address: 127.0.0.1:2, weight: "${WEIGHT}" }] }',
  'workers: "${WORKERS}"',
  'log: { level: "${LEVEL}" }',
  'timeouts: { idle: "${IDLE}" }',
  'pools: { web: { endpoints: [127.0.0.1:1], health: off, outlier: off } }',
  'pools: { web: { endpoints: [127.0.0.1:1], health: true, outlier: "false", warm: false, panic: on, slowStart: false } }',
  'pools: { web: { dns: { name: a.example, port: 1, allowSpecial: "true" }, panic: "${PANIC}", sendProxyProtocol: false } }',
  'admin: { socket: false, listen: false }\nhandover: { socket: false }\nlog: { access: true }',
]
for (const text of accepted) {
  test(`an editor accepts ${text}`, (t) => {
    t.true(inEditor.safeParse(parse(text)).success)
  })
}

const refused = [
  'forwards: { 80: 127.0.0.1:1 }',
  'workers: many',
  'log: { level: loud }',
  'timeouts: { idle: 5 }',
  'timeouts: { idle: 5 s }',
  'pools: { web: {} }',
  'pools: { web: { endpoints: [] } }',
  'pools: { web: { endpoints: [127.0.0.1:1], health: tcp } }',
]
for (const text of refused) {
  test(`an editor marks ${text}`, (t) => {
    t.false(inEditor.safeParse(parse(text)).success)
  })
}

test('every field is described', (t) => {
  const bare: string[] = []
  visit(jsonSchema(), (path, field) => {
    if (field.description === undefined) bare.push(path)
  })
  t.deepEqual(bare, [])
})

test('what can be on or off can be true or false, quoted too', (t) => {
  const halves = allKeys().filter(({ words }) =>
    [
      ['on', true, 'true'],
      ['off', false, 'false'],
    ].some((spellings) => new Set(spellings.map((word) => words.includes(word))).size > 1),
  )
  t.deepEqual(
    halves.map(({ path }) => path.join('.')),
    [],
  )
})

type Json = Record<string, unknown>

function visit(schema: unknown, seen: (path: string, field: Json) => void, path = ''): void {
  if (typeof schema !== 'object' || schema === null) return
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties') {
      for (const [name, field] of Object.entries(value as Json)) {
        seen(`${path}.${name}`, field as Json)
        visit(field, seen, `${path}.${name}`)
      }
    } else visit(value, seen, path)
  }
}
