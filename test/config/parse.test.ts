// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration
import test from 'ava'
import fc from 'fast-check'
import { stringify } from 'yaml'
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { renderProblem } from '../../src/config/problem.ts'

const parse = (text: string) => parseConfig(text, { file: 'edge.yaml', env: {} })

function ok(text: string): Config {
  const parsed = parse(text)
  if (parsed.kind === 'ok') return parsed.config
  throw new Error(parsed.problems.map((problem) => renderProblem(problem)).join('\n'))
}

const pool = (rest: string) => `
listeners: [{ name: http, listen: "[::]:80", pool: web }]
pools: { web: { endpoints: [10.0.0.5:9080], ${rest} } }
`

test('addresses are given in canonical form', (t) => {
  const { listeners, pools } = ok(`
listeners: [{ name: http, listen: "[2001:DB8:0:0::1]:80", pool: web }]
pools: { web: { endpoints: ["[::FFFF:10.0.0.5]:1", "[2001:db8::0:5]:2", "Node.Internal.:3", my_service:4] } }
`)
  t.is(listeners[0]?.host, '2001:db8::1')
  t.deepEqual(
    pools[0]?.endpoints.map((one) => 'host' in one && one.host),
    ['10.0.0.5', '2001:db8::5', 'node.internal.', 'my_service'],
  )
})

test('`stall` is as `idle` when it is left out', (t) => {
  t.is(ok(`forward: { 80: 10.0.0.5:1 }\ntimeouts: { idle: 9m }`).listeners[0]?.timeouts.stallMs, 540_000)
  t.is(
    ok(`forward: { 80: 10.0.0.5:1 }\ntimeouts: { idle: 9m, stall: 5s }`).listeners[0]?.timeouts.stallMs,
    5000,
  )
})

test('a listener has the timeouts of the program where it says nothing of its own', (t) => {
  const { listeners } = ok(`
timeouts: { idle: 9m, session: 8h, keepalive: { idle: 30s, count: 5 } }
listeners:
  - { name: a, listen: "[::]:1", pool: web }
  - { name: b, listen: "[::]:2", pool: web, timeouts: { idle: 1m, session: off, keepalive: { count: 2 } } }
  - { name: c, listen: "[::]:3", pool: web, timeouts: { stall: 2m } }
pools: { web: { endpoints: [10.0.0.5:1] } }
`)
  const usual = {
    idleMs: 540_000,
    halfCloseMs: 60_000,
    stallMs: 540_000,
    unackedMs: 120_000,
    sessionMs: 28_800_000,
    keepalive: { idleMs: 30_000, intervalMs: 15_000, count: 5 },
  }
  t.deepEqual(
    listeners.map(({ timeouts }) => timeouts),
    [
      usual,
      {
        ...usual,
        idleMs: 60_000,
        stallMs: 60_000,
        sessionMs: 0,
        keepalive: { ...usual.keepalive, count: 2 },
      },
      { ...usual, stallMs: 120_000 },
    ],
  )
})

const probes: readonly (readonly [string, unknown])[] = [
  ['health: off', { kind: 'off' }],
  ['health: { interval: 5s }', { kind: 'tcp', port: null, close: 'fin' }],
  ['health: { tcp: { port: 81 } }', { kind: 'tcp', port: 81, close: 'fin' }],
  ['health: { tcp: { close: reset } }', { kind: 'tcp', port: null, close: 'reset' }],
  ['health: { http: {} }', { kind: 'http', port: null, secure: false, path: '/', status: [200], host: null }],
  [
    'health: { http: { port: 7085, path: /status/ready, status: 204, host: a.b } }',
    { kind: 'http', port: 7085, secure: false, path: '/status/ready', status: [204], host: 'a.b' },
  ],
  [
    'health: { https: { status: [200, 301] } }',
    { kind: 'http', port: null, secure: true, path: '/', status: [200, 301], host: null },
  ],
  ['health: { tls: { port: 82, serverName: a.b } }', { kind: 'tls', port: 82, serverName: 'a.b' }],
]
for (const [text, expected] of probes) {
  test(`\`${text}\` is read`, (t) => {
    t.deepEqual(ok(pool(text)).pools[0]?.health.probe, expected)
  })
}

/** As YAML has it, as a template quotes it, as a variable holds it. */
const spellings = (word: string, yaml11: string) => [
  word,
  yaml11,
  `"${word}"`,
  `'${yaml11}'`,
  word.toUpperCase(),
  `"${yaml11.charAt(0).toUpperCase()}${yaml11.slice(1)}"`,
  `"\${UNSET:-${word}}"`,
  `"\${UNSET:-${yaml11}}"`,
]
for (const off of spellings('off', 'false')) {
  test(`everything that can be off can be \`${off}\``, (t) => {
    const { pools, admin, handover, log } = ok(`
listeners: [{ name: http, listen: "[::]:80", pool: web }, { name: dns, listen: "[::]:81", pool: found }]
pools:
  web:
    endpoints: [10.0.0.5:9080]
    health: ${off}
    outlier: ${off}
    warm: ${off}
    slowStart: ${off}
    sendProxyProtocol: ${off}
  found: { dns: { name: a.example, port: 1, allowSpecial: ${off} }, panic: ${off} }
admin: { socket: ${off}, listen: ${off} }
handover: { socket: ${off} }
log: { access: ${off} }
`)
    t.like(pools[0], { health: { probe: { kind: 'off' } }, outlier: null, warm: null, slowStartMs: 0 })
    t.is(pools[0]?.sendProxyProtocol, 'off')
    t.like(pools[1], { discovery: { allowSpecial: false }, panic: false })
    t.like({ admin, handover, log }, { admin: { socket: { kind: 'off' }, listen: null } })
    t.is(handover.socket, null)
    t.is(log.access, 'none')
  })
}

for (const on of spellings('on', 'true')) {
  test(`what \`${on}\` can mean it means`, (t) => {
    const { pools, log } = ok(`
listeners: [{ name: http, listen: "[::]:80", pool: web }, { name: dns, listen: "[::]:81", pool: found }]
pools:
  web: { endpoints: [10.0.0.5:9080], health: ${on}, outlier: ${on}, slowStart: ${on}, panic: ${on} }
  found: { dns: { name: a.example, port: 1, allowSpecial: ${on} } }
log: { access: ${on} }
`)
    const [web] = ok('forward: { 80: 10.0.0.5:9080 }').pools
    t.deepEqual({ ...pools[0], name: '' }, { ...web, name: '' })
    t.like(pools[1], { discovery: { allowSpecial: true } })
    t.is(log.access, 'all')
  })
}

test('onDown without probes is allowed, and said to have no effect', (t) => {
  const parsed = parse(pool('health: off, onDown: reset'))
  t.is(parsed.kind, 'ok')
  if (parsed.kind === 'ok')
    t.deepEqual(
      parsed.warnings.map(({ message }) => message),
      ['pools.web.onDown has no effect: `health` is `off`'],
    )
})

test('passive ejection and the admin page can be off', (t) => {
  t.is(ok(pool('outlier: off')).pools[0]?.outlier, null)
  const { admin } = ok('forward: { 80: 10.0.0.5:1 }\nadmin: { socket: off, listen: off }')
  t.deepEqual(admin, { socket: { kind: 'off' }, listen: null, readyRequires: [], hosts: [] })
})

test('anchors and merge keys save repetition, and own keys win', (t) => {
  const { pools } = ok(`
forward: { 80: 10.0.0.5:1 }
pools:
  a: &base { endpoints: [10.0.0.5:1], balance: round-robin, refresh: 1s }
  b: { <<: *base, refresh: 2s }
  c: { refresh: 3s, <<: [{ balance: source-hash }, *base] }
`)
  t.deepEqual(
    pools.slice(1).map(({ balance, refreshMs, endpoints }) => [balance, refreshMs, endpoints.length]),
    [
      ['round-robin', 1000, 1],
      ['round-robin', 2000, 1],
      ['source-hash', 3000, 1],
    ],
  )
})

test('a byte order mark and Windows line ends are no part of the text', (t) => {
  t.like(ok('\ufeffforward:\r\n  80: 10.0.0.5:1\r\n').pools[0]?.endpoints[0], { port: 1 })
})

test('words that YAML 1.1 took for other types are text', (t) => {
  t.is(ok('forward: { 80: 10.0.0.5:1 }\nlimits: { connections: 010 }').limits.connections, 10)
  t.deepEqual(
    ok(pool('connect: { source: [10.0.0.1] }').replaceAll('web', 'on')).listeners.map((one) => one.pool),
    ['on'],
  )
})

test('a chain of listeners that ends elsewhere is no circle', (t) => {
  t.is(ok('forward: { 80: 127.0.0.1:8080, 127.0.0.1:8080: 10.0.0.5:80 }').listeners.length, 2)
})

test('addresses that only look alike do not collide', (t) => {
  const forwards = [
    '127.0.0.1:80',
    '127.0.0.2:80',
    '"[::1]:80"',
    '"0.0.0.0:81"',
    '"[::1]:81"',
    '"0.0.0.0:0"',
    '0',
  ]
  t.is(ok(`forward: { ${forwards.map((key) => `${key}: 10.0.0.5:80`).join(', ')} }`).listeners.length, 7)
  t.is(
    ok('forward: { 127.0.0.1:80: 127.0.0.2:80, "[::1]:81": 127.0.0.1:81, 82: 10.0.0.5:82 }').listeners.length,
    3,
  )
})

test('a pool that nobody uses is a warning where it stands', (t) => {
  const parsed = parse('forward: { 80: 10.0.0.5:1 }\npools: { spare: { endpoints: [10.0.0.5:1] } }')
  t.deepEqual(parsed.kind === 'ok' && parsed.warnings.map((problem) => renderProblem(problem, 'warning')), [
    `\
warning: pool \`spare\` is not used by any listener
  --> edge.yaml:2:10
   |
 2 | pools: { spare: { endpoints: [10.0.0.5:1] } }
   |          ^^^^^`,
  ])
})

const words = [
  'forward',
  'listeners',
  'pools',
  'web',
  'endpoints',
  'health',
  'http',
  'drain',
  'window',
  'admin',
  'listen',
]
const scalar = fc.oneof(
  fc.constantFrom(
    ...words,
    '[::]:80',
    '127.0.0.1:80',
    'off',
    'auto',
    '5s',
    '',
    '${X}',
    '$$',
    '__proto__',
    'constructor',
  ),
  fc.constantFrom(0, 1, -1, 80, 1.5, 1e300, true, false, null),
)
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof({ maxDepth: 5 }, scalar, fc.array(tie('tree'), { maxLength: 3 }), tie('mapping')),
  mapping: fc.dictionary(fc.constantFrom(...words, '80', '[::]:80', '<<', 'toString'), tie('tree'), {
    maxKeys: 5,
  }),
}))

test('any tree gives a configuration or problems that can be shown', (t) => {
  fc.assert(
    fc.property(tree, (value) => {
      const parsed = parse(stringify(value))
      if (parsed.kind === 'ok') return true
      return (
        parsed.problems.length > 0 &&
        parsed.problems.every((problem) => renderProblem(problem).includes('edge.yaml'))
      )
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

test('any text gives a configuration or problems that can be shown', (t) => {
  const piece = fc.constantFrom(
    ...words,
    ': ',
    ':',
    '\n',
    '  ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    ', ',
    '"',
    "'",
    '&a',
    '*a',
    '!',
    '#',
    '|',
    '80',
    '${X}',
    '\t',
    '%',
    '---',
    '<<',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
      const parsed = parse(pieces.join(''))
      if (parsed.kind === 'ok') return true
      return (
        parsed.problems.length > 0 &&
        parsed.problems.every((problem) => renderProblem(problem).includes('edge.yaml'))
      )
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

test('every prefix of a configuration gives an answer, and the whole one is accepted', (t) => {
  const text = pool('health: { http: { path: "/", status: [200, 204] } }, connect: { source: [10.0.0.1] }')
  for (let length = 0; length < text.length; length++) t.notThrows(() => parse(text.slice(0, length)))
  t.is(parse(text).kind, 'ok')
})
