import test from 'ava'
import { parseConfig } from '../../src/config/parse.ts'

/** What `check` warns of in a listener, and under which text of the file it is underlined. */
function warnings(listener: string): readonly (readonly [string, string | null])[] {
  const pools = 'pools: { web: { endpoints: [127.0.0.1:9080] } }'
  const text = `${pools}\nlisteners:\n  - { name: edge, listen: "[::]:443", pool: web, ${listener} }\n`
  const parsed = parseConfig(text, { file: 'edge.yaml', env: {} })
  if (parsed.kind === 'invalid') throw new Error(parsed.problems.map(({ message }) => message).join('\n'))
  return parsed.warnings.map(({ message, hint }) => [message, hint])
}

test('whoever is believed from everywhere is a warning', (t) => {
  const from = 'listeners[0].acceptProxyProtocol.from'
  t.deepEqual(warnings('acceptProxyProtocol: { from: [10.0.0.0/8, 0.0.0.0/0, "::/0"] }'), [
    [
      `${from}[1] is everybody: whoever reaches the port chooses its own address`,
      'name the load balancers alone',
    ],
    [
      `${from}[2] is everybody: whoever reaches the port chooses its own address`,
      'name the load balancers alone',
    ],
  ])
  t.deepEqual(warnings('allow: [0.0.0.0/0, "::/0"]'), [])
})

test('routes that are never reached are warnings, each with what takes its connections', (t) => {
  const shop = '{ sni: [shop.example, "*.shop.example"], pool: web }'
  t.deepEqual(warnings(`routes: [${shop}, { sni: [b.example, SHOP.example], alpn: [h2], pool: web }]`), [
    ['`SHOP.example` of listener `edge` is never reached', 'route 1 takes what would fit'],
  ])
  t.deepEqual(warnings('routes: [{ sni: [a.example, a.example], pool: web }]'), [
    ['`a.example` of listener `edge` is never reached', 'it is there twice'],
  ])
  t.deepEqual(warnings('routes: [{ sni: 10.0.0.5, pool: web }]'), [
    ['`10.0.0.5` of listener `edge` is an address: no client sends one as its server name', null],
  ])
  t.deepEqual(warnings('routes: [{ alpn: h2, pool: web }, { alpn: h2, pool: web }]'), [
    ['route 2 of listener `edge` is never reached', 'route 1 takes what would fit'],
  ])
})

test('ranges that are larger than they look, and a time that nothing takes, are warnings', (t) => {
  t.deepEqual(warnings('deny: [10.0.0.1/8, 192.0.2.1]'), [
    ['listeners[0].deny[0] has bits behind its prefix', 'it is taken as 10.0.0.0/8'],
  ])
  t.deepEqual(warnings('prefaceTimeout: 1s'), [
    [
      'listeners[0].prefaceTimeout has no effect: there are no `routes`',
      'it is the time for what routes look at',
    ],
  ])
})
