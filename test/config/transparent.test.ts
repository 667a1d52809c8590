import test from 'ava'
import { parseConfig } from '../../src/config/parse.ts'

/** What is said of a transparent pool with these endpoints behind a listener. */
function warnings(endpoints: string, listener: string): readonly string[] {
  const text = `
pools: { web: { ${endpoints}, transparent: on } }
listeners: [{ name: edge, pool: web, ${listener} }]`
  const parsed = parseConfig(text, { file: 'edge.yaml', env: {} })
  if (parsed.kind !== 'ok') throw new Error(JSON.stringify(parsed.problems))
  return parsed.warnings.map(({ message }) => message)
}

const refused = (family: 4 | 6): string[] => [
  `IPv${family} clients of listener \`edge\` are refused: pool \`web\` is transparent and has no IPv${family} endpoint`,
]

test('clients of a family that no endpoint has are a warning, where they can come', (t) => {
  t.deepEqual(warnings('endpoints: [127.0.0.1:9080]', 'listen: "[::]:80"'), refused(6))
  t.deepEqual(warnings('endpoints: ["[::1]:9080"]', 'listen: "[::]:80"'), refused(4))
  t.deepEqual(warnings('endpoints: [127.0.0.1:9080]', 'listen: "0.0.0.0:80"'), [])
  t.deepEqual(warnings('endpoints: ["[::1]:9080"]', 'listen: "[2001:db8::1]:80"'), [])
  t.deepEqual(warnings('endpoints: [127.0.0.1:9080, "[::1]:9080"]', 'listen: "[::]:80"'), [])
  // A balancer of one family has clients of both.
  const header = 'listen: "0.0.0.0:80", acceptProxyProtocol: { from: [10.0.0.0/8] }'
  t.deepEqual(warnings('endpoints: [127.0.0.1:9080]', header), refused(6))
})

test('of names and sources nobody knows which families they have', (t) => {
  t.deepEqual(warnings('endpoints: [gateway.example:9080]', 'listen: "[::]:80"'), [])
  t.deepEqual(warnings('dns: { name: gateway.example, port: 9080 }', 'listen: "[::]:80"'), [])
})

test('together with a PROXY header it is allowed: the gateway may want both', (t) => {
  t.deepEqual(warnings('endpoints: [127.0.0.1:9080], sendProxyProtocol: v2', 'listen: "0.0.0.0:80"'), [])
})
