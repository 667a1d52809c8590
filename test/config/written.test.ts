import test from 'ava'
import { parseConfig } from '../../src/config/parse.ts'
import { differences, type Written } from '../../src/config/written.ts'

const env = { SECRET: '10.0.0.9', PORT: '9080' }

function written(text: string): Written {
  const parsed = parseConfig(text, { file: 'edge.yaml', env })
  if (parsed.kind === 'invalid') throw new Error(parsed.problems.map(({ message }) => message).join('\n'))
  return parsed.written
}

const before = `listeners:
  - { name: http, listen: "127.0.0.1:8080", pool: web }
  - { name: https, listen: "127.0.0.1:8443", pool: web }
pools:
  web:
    endpoints: [10.0.0.5:9080, { address: "10.0.0.6:9080", weight: 2 }]
    balance: p2c
`

for (const [name, change, lines] of [
  ['nothing', (text: string) => text, []],
  ['a comment, quotes and blank lines', (text: string) => `# new\n\n${text.replace('p2c', '"p2c"')}`, []],
  [
    'a value',
    (text: string) => text.replace('p2c', 'round-robin'),
    ['~ pools.web.balance: p2c → round-robin'],
  ],
  ['a key that comes', (text: string) => `${text}workers: 2\n`, ['+ workers: 2']],
  ['a key that goes', (text: string) => text.replace(/ +balance: p2c\n/, ''), ['- pools.web.balance: p2c']],
  [
    'a listener that comes before the others',
    (text: string) =>
      text.replace('listeners:\n', 'listeners:\n  - { name: new, listen: "127.0.0.1:81", pool: web }\n'),
    ['+ listeners.new: {name: new, listen: 127.0.0.1:81, pool: web}'],
  ],
  [
    'a listener that goes',
    (text: string) => text.replace(/ {2}- \{ name: https.*\n/, ''),
    ['- listeners.https'],
  ],
  [
    'the address of a listener',
    (text: string) => text.replace(':8443', ':9443'),
    ['~ listeners.https.listen: 127.0.0.1:8443 → 127.0.0.1:9443'],
  ],
  [
    'an endpoint for another one, and the weight of one that stays',
    (text: string) => text.replace('10.0.0.5', '10.0.0.7').replace('weight: 2', 'weight: 3'),
    [
      '- pools.web.endpoints: 10.0.0.5:9080',
      '~ pools.web.endpoints["10.0.0.6:9080"].weight: 2 → 3',
      '+ pools.web.endpoints: 10.0.0.7:9080',
    ],
  ],
  [
    'the order of listeners',
    (text: string) => {
      const [first = '', http = '', https = '', ...rest] = text.split('\n')
      return [first, https, http, ...rest].join('\n')
    },
    ['~ listeners: in another order'],
  ],
] as const) {
  test(`differences: ${name}`, (t) => {
    t.deepEqual(differences(written(before), written(change(before))), lines)
  })
}

test('what a variable holds is not shown, only its name', (t) => {
  const hidden = `"$\{SECRET}:$\{PORT:-80}"`
  const after = before.replace('10.0.0.5:9080', hidden)
  const lines = differences(written(before), written(after))
  t.deepEqual(lines, ['- pools.web.endpoints: 10.0.0.5:9080', `+ pools.web.endpoints: ${hidden}`])
  t.false(lines.join('\n').includes(env.SECRET))
})

test('a value puts no control character on a terminal, and a long one is cut', (t) => {
  const span = { start: 0, end: 0 }
  const of = (value: string): Written => {
    const scalar = { kind: 'scalar', span, value, references: [] } as const
    return {
      text: '',
      tree: { kind: 'mapping', span, entries: new Map([['key', { key: span, value: scalar }]]) },
    }
  }
  t.deepEqual(differences(of('\x1b[31m'), of('x'.repeat(100))), [`~ key: "\\u001b[31m" → ${'x'.repeat(59)}…`])
})
