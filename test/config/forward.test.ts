import test from 'ava'
import fc from 'fast-check'
import type { Config } from '../../src/config/config.ts'
import { parseForwards } from '../../src/config/forward.ts'
import { parseForwardKey } from '../../src/config/forward-key.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { renderProblem } from '../../src/config/problem.ts'
import type { Parsed } from '../../src/config/resolve.ts'
import { usualListener } from '../helpers/forwarder.ts'

function ok(parsed: Parsed): Config {
  if (parsed.kind === 'ok') return parsed.config
  throw new Error(parsed.problems.map((problem) => renderProblem(problem)).join('\n'))
}

function rendered(parsed: Parsed): string {
  return parsed.kind === 'ok' ? 'ok' : parsed.problems.map((problem) => renderProblem(problem)).join('\n\n')
}

const endpoint = (host: string, port: number) => ({
  host,
  port,
  priority: 0,
  weight: 1,
  maxConnections: null,
})

const usual = usualListener

test('a forward makes a listener on all addresses and a pool of the same name', (t) => {
  const { listeners, pools } = ok(parseForwards(['80=127.0.0.1:9080', '443=10.0.0.5:9443,10.0.0.6:9443']))
  t.deepEqual(listeners, [
    { ...usual, name: 'port-80', host: '::', port: 80, pool: 'port-80' },
    { ...usual, name: 'port-443', host: '::', port: 443, pool: 'port-443' },
  ])
  t.deepEqual(
    pools.map(({ name, endpoints }) => ({ name, endpoints })),
    [
      { name: 'port-80', endpoints: [endpoint('127.0.0.1', 9080)] },
      { name: 'port-443', endpoints: [endpoint('10.0.0.5', 9443), endpoint('10.0.0.6', 9443)] },
    ],
  )
})

test('the command line and the file say the same', (t) => {
  const file = 'forward: { 80: 127.0.0.1:9080, "[::1]:8443": ["[2001:db8::5]:9443", gateway.internal:9443] }'
  t.deepEqual(
    ok(parseForwards(['80=127.0.0.1:9080', '[::1]:8443=[2001:db8::5]:9443,gateway.internal:9443'])),
    ok(parseConfig(file, { file: 'edge.yaml', env: {} })),
  )
})

test('a forward in the file takes long endpoints, beside listeners and pools', (t) => {
  const { listeners, pools } = ok(
    parseConfig(
      `
forward:
  80:
    - 10.0.0.5:9080
    - { address: "Gateway.Internal:9080", priority: 1, weight: 3, maxConnections: 10 }
listeners: [{ name: alt, listen: 127.0.0.1:8080, pool: port-80 }]
`,
      { file: 'edge.yaml', env: {} },
    ),
  )
  t.deepEqual(
    listeners.map(({ name, pool }) => [name, pool]),
    [
      ['port-80', 'port-80'],
      ['alt', 'port-80'],
    ],
  )
  t.deepEqual(pools[0]?.endpoints, [
    endpoint('10.0.0.5', 9080),
    { host: 'gateway.internal', port: 9080, priority: 1, weight: 3, maxConnections: 10 },
  ])
})

const keys: readonly (readonly [string, string, string, number])[] = [
  ['80', 'port-80', '::', 80],
  ['0', 'port-0', '::', 0],
  ['[::]:80', 'port-80', '::', 80],
  ['0.0.0.0:80', 'port-80-0.0.0.0', '0.0.0.0', 80],
  ['127.0.0.1:8080', 'port-8080-127.0.0.1', '127.0.0.1', 8080],
  ['[::1]:8080', 'port-8080-0-0-0-0-0-0-0-1', '::1', 8080],
  ['[2001:DB8:0::5]:1', 'port-1-2001-db8-0-0-0-0-0-5', '2001:db8::5', 1],
  ['[::ffff:127.0.0.1]:80', 'port-80-127.0.0.1', '127.0.0.1', 80],
]
for (const [text, name, host, port] of keys) {
  test(`the key ${text} makes ${name}`, (t) => {
    t.deepEqual(parseForwardKey(text), { kind: 'accepted', value: { name, host, port } })
  })
}

test('two different addresses never make the same name', (t) => {
  const key = fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(65_535)).map(([host, port]) => {
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  })
  fc.assert(
    fc.property(key, key, (a, b) => {
      const [first, second] = [parseForwardKey(a), parseForwardKey(b)]
      if (first.kind === 'refused' || second.kind === 'refused') return false
      const same = first.value.host === second.value.host && first.value.port === second.value.port
      return same === (first.value.name === second.value.name)
    }),
  )
  t.pass()
})

test('a problem on the command line is underlined there', (t) => {
  t.is(
    rendered(parseForwards(['80=127.0.0.1:9080', '443=10.0.0.5', '8080:127.0.0.1:80', '80=127.0.0.1:9081'])),
    `\
error: forward.443 has no port
  --> command line
   |
   | 80=127.0.0.1:9080 443=10.0.0.5 8080:127.0.0.1:80 80=127.0.0.1:9081
   |                       ^^^^^^^^ for example 10.0.0.5:80

error: \`8080:127.0.0.1:80\` is not a forward
  --> command line
   |
   | 80=127.0.0.1:9080 443=10.0.0.5 8080:127.0.0.1:80 80=127.0.0.1:9081
   |                                ^^^^^^^^^^^^^^^^^ write PORT=HOST:PORT, as in 80=127.0.0.1:9080

error: \`80\` is forwarded twice
  --> command line
   |
   | 80=127.0.0.1:9080 443=10.0.0.5 8080:127.0.0.1:80 80=127.0.0.1:9081
   |                                                  ^^^^^^^^^^^^^^^^^ separate endpoints by commas: 80=a:9080,b:9080`,
  )
})

test('nothing on the command line is a problem with an example', (t) => {
  t.is(
    rendered(parseForwards([])),
    `\
error: there is nothing to forward
  --> command line
   = for example: spliceway forward 80=127.0.0.1:9080`,
  )
})

test('a forward to itself is refused on the command line too', (t) => {
  t.true(rendered(parseForwards(['80=localhost:80'])).includes('leads back to itself'))
})

test('any words on the command line give a configuration or problems', (t) => {
  const word = fc.string({
    unit: fc.constantFrom('8', '0', '=', ':', ',', '[', ']', '.', 'a', ' ', '%', '/', '\n'),
  })
  fc.assert(
    fc.property(fc.array(word, { maxLength: 4 }), (words) => {
      const parsed = parseForwards(words)
      return parsed.kind === 'ok' || parsed.problems.length > 0
    }),
    { numRuns: 1000 },
  )
  t.pass()
})
