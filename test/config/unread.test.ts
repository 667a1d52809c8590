import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { parseConfig } from '../../src/config/parse.ts'

/** Every kind of probe and of source, and what has a form of its own where it is given. */
const text = `
listeners: [{ name: a, listen: "[::]:80", pool: tcp }, { name: b, listen: "[::]:81", pool: http }]
pools:
  tcp: { endpoints: [10.0.0.5:9080], warm: { connections: 1 } }
  http: { dns: { name: a.example, type: SRV }, health: { http: {} } }
  tls: { dns: { name: a.example, port: 1 }, health: { tls: {} } }
  found: { kubernetes: { service: a/b } }
  listed: { file: /gateways.yaml, health: off }
admin: { socket: /admin.sock }
`

/** Names of the fields that the program gets, wherever they are. */
function fieldsOf(part: unknown, names = new Set<string>()): ReadonlySet<string> {
  if (typeof part !== 'object' || part === null) return names
  for (const [name, value] of Object.entries(part)) {
    if (!Array.isArray(part)) names.add(name)
    fieldsOf(value, names)
  }
  return names
}

const root = new URL('../../src/', import.meta.url)
/** These only declare it, or pass it on. */
const bearers =
  /^(config\/.*|core\/snapshot\.ts|control\/registry\/pool-record\.ts|control\/workers\/publisher\.ts)$/

// Fields of one name, such as timeoutMs, vouch for each other.
test('what the schema gives is read by somebody', (t) => {
  const parsed = parseConfig(text, { file: 'edge.yaml', env: {} })
  if (parsed.kind === 'invalid') return t.fail(parsed.problems[0]?.message)
  const code = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !bearers.test(path))
    .map((path) => readFileSync(new URL(path, root), 'utf8').replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, ''))
    .join('\n')
  const fields = [...fieldsOf(parsed.config)]
  t.true(fields.length > 60)
  t.deepEqual(
    // `x.name`, or a name that is taken out: `{ name }`, `{ name: other }`.
    fields.filter((name) => !new RegExp(`\\.${name}\\b|[{,]\\s*${name}\\s*[,}:]`).test(code)),
    [],
  )
})
