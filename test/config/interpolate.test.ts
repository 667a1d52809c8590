// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what is tested here
import test from 'ava'
import fc from 'fast-check'
import { expand } from '../../src/config/interpolate.ts'
import { parseConfig } from '../../src/config/parse.ts'

const env = { HOST: '10.0.0.5', PORT: '9080', EMPTY: '', NESTED: '${HOST}', DOLLAR: '$$' }
const config = (text: string) => parseConfig(text, { file: 'edge.yaml', env })

const expansions: readonly (readonly [string, string])[] = [
  ['${HOST}:${PORT}', '10.0.0.5:9080'],
  ['${MISSING:-127.0.0.1}:80', '127.0.0.1:80'],
  ['${EMPTY:-fallback}', 'fallback'],
  ['${MISSING:-}', ''],
  ['${EMPTY}', ''],
  ['$${HOST}', '${HOST}'],
  ['$$$$', '$$'],
  ['$$${HOST}', '$10.0.0.5'],
  ['a $ b $HOST', 'a $ b $HOST'],
  ['${NESTED}', '${HOST}'],
  ['${DOLLAR}', '$$'],
  ['${MISSING:-${HOST}', '${HOST'],
]
for (const [text, expected] of expansions) {
  test(`\`${text}\` becomes \`${expected}\``, (t) => {
    const { text: expanded, failures } = expand(text, env)
    t.deepEqual(failures, [])
    t.is(expanded, expected)
  })
}

for (const text of ['${MISSING}', '${constructor}', '${}', '${1A}', '${A-b}', '${HOST', '${ HOST }']) {
  test(`\`${text}\` is refused`, (t) => {
    t.is(expand(text, env).failures.length, 1)
  })
}

test('text without a dollar stays as it is', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const plain = text.replaceAll('$', '')
      return expand(plain, env).text === plain
    }),
  )
  t.pass()
})

test('doubling every dollar keeps any text', (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('$', '{', '}', 'H', ':', '-') }),
      (text) => expand(text.replaceAll('$', '$$$$'), env).text === text,
    ),
  )
  t.pass()
})

test('a variable fills fields of every type', (t) => {
  const parsed = parseConfig(
    [
      'listeners: [{ name: "${NAME}", listen: "[::]:${LISTEN}", pool: "${NAME}", maxConnections: "${MAX}" }]',
      'pools: { web: { endpoints: [{ address: "${HOST}:${PORT}", weight: "${WEIGHT}" }], balance: "${BALANCE}" } }',
      'workers: ${WORKERS}',
      'timeouts: { idle: "${IDLE}" }',
    ].join('\n'),
    {
      file: 'edge.yaml',
      env: {
        ...env,
        NAME: 'web',
        LISTEN: '80',
        MAX: '5',
        WEIGHT: '7',
        BALANCE: 'source-hash',
        WORKERS: '2',
        IDLE: '9m',
      },
    },
  )
  if (parsed.kind !== 'ok') return t.fail(JSON.stringify(parsed.problems))
  const { listeners, pools, workers } = parsed.config
  t.like(listeners, [{ name: 'web', host: '::', port: 80, pool: 'web', maxConnections: 5 }])
  t.deepEqual(pools[0]?.endpoints, [
    { host: '10.0.0.5', port: 9080, priority: 0, weight: 7, maxConnections: null },
  ])
  t.is(pools[0]?.balance, 'source-hash')
  t.is(workers, 2)
  t.is(listeners[0]?.timeouts.idleMs, 540_000)
})

test('a key is never expanded', (t) => {
  const parsed = config('forward: { "${PORT}": 127.0.0.1:9081 }')
  t.is(parsed.kind, 'invalid')
  t.true(parsed.kind === 'invalid' && parsed.problems[0]?.message.includes('`${PORT}`'))
})

test('a variable in a comment does not have to be set', (t) => {
  t.is(config('forward: { 80: 127.0.0.1:9080 } # ${MISSING}').kind, 'ok')
})
