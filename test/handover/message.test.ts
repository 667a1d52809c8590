import test from 'ava'
import fc from 'fast-check'
import { decode, encode, type Message } from '../../src/handover/message.ts'

const offer = { key: '[::]:443', host: '::', port: 443, descriptors: 4, shared: false }
const given = {
  kind: 'sockets',
  pid: 7,
  program: '0.1.0',
  doors: ['tcp 9981'],
  revision: 1,
  sessions: 1,
  drained: [],
} as const
const messages: readonly Message[] = [
  {
    kind: 'hello',
    pid: 12,
    program: '0.1.0',
    descriptors: true,
    doors: ['tcp 9981', 'unix 1:2 a.sock'],
    revision: 1,
    sessions: 1,
  },
  { kind: 'wait', ms: 8_000 },
  { ...given, listeners: [offer, { ...offer, key: 'x', shared: true }], more: true, name: false },
  { ...given, listeners: [], more: false, name: true, doors: null },
  { ...given, listeners: [], more: true, name: false, drained: [{ pool: 'web', endpoint: '10.0.0.1:80' }] },
  { kind: 'refused', reason: 'a hand-over to pid 9 is under way' },
  { kind: 'accepting', keys: null },
  { kind: 'accepting', keys: ['[::]:443'] },
  { kind: 'beat' },
  { kind: 'reclaimed', reason: 'gave no sign of life' },
  { kind: 'released' },
  { kind: 'settled' },
  { kind: 'sessions' },
]

test('each message is read as it was written, and every prefix of it is incomplete', (t) => {
  for (const message of messages) {
    const bytes = encode(message)
    t.deepEqual(decode(bytes), { kind: 'message', message, bytes: bytes.length })
    t.deepEqual(decode(Buffer.concat([bytes, bytes])), { kind: 'message', message, bytes: bytes.length })
    for (let length = 0; length < bytes.length; length++) {
      t.deepEqual(
        decode(bytes.subarray(0, length)),
        { kind: 'incomplete' },
        `${message.kind}: ${length} bytes`,
      )
    }
  }
})

test('any message is read as it was written', (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 80 })
  const message = fc.oneof(
    fc.record({
      kind: fc.constant('hello' as const),
      pid: fc.nat(),
      program: text,
      descriptors: fc.boolean(),
      doors: fc.array(text, { maxLength: 4 }),
      revision: fc.nat(),
      sessions: fc.nat(),
    }),
    fc.record({
      kind: fc.constant('sockets' as const),
      pid: fc.nat(),
      program: text,
      listeners: fc.array(
        fc.record({
          key: text,
          host: text,
          port: fc.nat(65_535),
          descriptors: fc.nat(253),
          shared: fc.boolean(),
        }),
        { maxLength: 8 },
      ),
      more: fc.boolean(),
      doors: fc.option(fc.array(text, { maxLength: 4 })),
      name: fc.boolean(),
      revision: fc.nat(),
      sessions: fc.nat(),
      drained: fc.array(fc.record({ pool: text, endpoint: text }), { maxLength: 2 }),
    }),
    fc.record({ kind: fc.constant('refused' as const), reason: text }),
  )
  fc.assert(
    fc.property(message, (given) => {
      const bytes = encode(given)
      const decoded = decode(bytes)
      // fast-check makes records without a prototype
      t.is(JSON.stringify(decoded), JSON.stringify({ kind: 'message', message: given, bytes: bytes.length }))
    }),
  )
})

test('what the first programs say is read, with what they do not say filled in', (t) => {
  const said = (line: string) => {
    const decoded = decode(Buffer.from(`{"handover":1,${line}}\n`))
    return decoded.kind === 'message' ? decoded.message : decoded
  }
  const hello = { kind: 'hello', pid: 1, program: '0.1.0', descriptors: true, doors: [] } as const
  t.deepEqual(said('"kind":"hello","pid":1,"program":"0.1.0","descriptors":true,"doors":[]'), {
    ...hello,
    revision: 0,
    sessions: 0,
  })
  const listener = '{"key":"a","host":"::","port":1,"descriptors":2}'
  t.deepEqual(said(`"kind":"sockets","pid":1,"program":"0.1.0","more":false,"listeners":[${listener}]`), {
    kind: 'sockets',
    pid: 1,
    program: '0.1.0',
    listeners: [{ key: 'a', host: '::', port: 1, descriptors: 2, shared: false }],
    more: false,
    doors: null,
    name: false,
    revision: 0,
    sessions: 0,
    drained: [],
  })
  t.deepEqual(said('"kind":"accepting"'), { kind: 'accepting', keys: null })
})

test('no change of a single byte makes it throw', (t) => {
  for (const message of messages) {
    const bytes = encode(message)
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0x00, 0x0a, 0x22, 0x7b, 0xff]) {
        const changed = Buffer.from(bytes)
        changed[at] = value
        t.notThrows(() => decode(changed))
      }
    }
  }
})

const sockets = (listener: string): string =>
  `{"handover":1,"kind":"sockets","pid":1,"program":"","more":false,"listeners":[${listener}]}`

for (const [what, line, reason] of [
  ['another version', '{"handover":2,"kind":"hello"}', /^version 2 of the hand-over, this process speaks 1$/],
  ['no version', '{"kind":"hello"}', /^something else than a message$/],
  ['no JSON', 'GET / HTTP/1.1', /^something else than a message$/],
  ['JSON that is no object', '[1]', /^something else than a message$/],
  ['null', 'null', /^something else than a message$/],
  ['a kind of a later day', '{"handover":1,"kind":"keeper"}', /^a message that is not understood: "keeper"$/],
  ['a field of another type', '{"handover":1,"kind":"refused","reason":1}', /not understood: "refused"$/],
  [
    'a port that there is not',
    sockets('{"key":"a","host":"::","port":65536,"descriptors":1}'),
    /not understood: "sockets"$/,
  ],
  [
    'a negative number of descriptors',
    sockets('{"key":"a","host":"::","port":1,"descriptors":-1}'),
    /not understood: "sockets"$/,
  ],
] as const) {
  test(`${what} is refused with the reason`, (t) => {
    const decoded = decode(Buffer.from(`${line}\n`))
    t.is(decoded.kind, 'unreadable')
    if (decoded.kind === 'unreadable') t.regex(decoded.reason, reason)
  })
}

test('a message without an end is refused before it fills the memory', (t) => {
  t.deepEqual(decode(Buffer.alloc(65_535, 'x')), { kind: 'incomplete' })
  t.deepEqual(decode(Buffer.alloc(65_536, 'x')), {
    kind: 'unreadable',
    reason: 'a message of more than 65536 bytes',
  })
})
