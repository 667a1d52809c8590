import test from 'ava'
import fc from 'fast-check'
import { type ClientHello, readClientHello } from '../../src/protocol/client-hello.ts'
import { notTlsReasons } from '../../src/protocol/handshake.ts'
import {
  alpn,
  body,
  extension,
  grease,
  hello,
  keyShares,
  list8,
  list16,
  message,
  nameEntry,
  record,
  records,
  sni,
  told,
  uint8,
  uint16,
} from './hello-bytes.ts'

/** `incomplete` for as long as it is, then what it is. `step`: how many bytes come at a time. */
function answer(bytes: Uint8Array, step = 1): ClientHello {
  for (let length = 0; length < bytes.length; length += step) {
    const read = readClientHello(bytes.subarray(0, length))
    if (read.kind !== 'incomplete') return read
  }
  return readClientHello(bytes)
}

const plain = (text: string) => Buffer.from(text, 'latin1')
const named = message(body({ extensions: [sni('shop.example'), alpn('h2', 'http/1.1')] }))
const empty = Buffer.alloc(0)

const cases: Readonly<Record<string, readonly [bytes: Uint8Array, is: string]>> = {
  'a name': [hello(sni('shop.example')), 'shop.example'],
  'a name and protocols': [hello(sni('shop.example'), alpn('h2', 'http/1.1')), 'shop.example h2,http/1.1'],
  'protocols and no name': [hello(alpn('h2')), 'no name h2'],
  'GREASE, two key shares of which one is post-quantum, padding': [
    hello(grease[0], sni('shop.example'), keyShares, alpn('h2'), grease[1], extension(21, Buffer.alloc(300))),
    'shop.example h2',
  ],
  'an encrypted hello, of which the outer name counts': [
    hello(sni('public.example'), extension(0xfe0d, Buffer.alloc(280, 5))),
    'public.example',
  ],
  'upper case': [hello(sni('Shop.EXAMPLE')), 'shop.example'],
  'a dot at the end': [hello(sni('shop.example.')), 'shop.example'],
  'two dots at the end': [hello(sni('shop.example..')), 'shop.example.'],
  'bytes beyond ASCII': [hello(sni('sh\xf6p.EXAMPLE')), 'sh\xf6p.example'],
  'a zero in the name': [hello(sni('shop\0.example')), 'shop\0.example'],
  'an IPv4 address': [hello(sni('192.0.2.1')), 'no name'],
  'an IPv6 address': [hello(sni('2001:db8::1')), 'no name'],
  'an IPv6 address in brackets': [hello(sni('[2001:db8::1]')), 'no name'],
  'an empty name': [hello(sni('')), 'no name'],
  'an empty list of names': [hello(sni()), 'no name'],
  'an extension without a list': [hello(extension(0, empty)), 'no name'],
  'a name of 16,000 bytes': [hello(sni('x'.repeat(16_000))), 'x'.repeat(16_000)],
  'no extensions': [record(message(body({ extensions: null }))), 'no name'],
  'an empty list of extensions': [hello(), 'no name'],
  'no session id': [record(message(body({ sessionId: empty, extensions: [sni('a.example')] }))), 'a.example'],
  'SSL 3.0 in the record and TLS 9 in the hello': [
    record(message(body({ version: 0x030a, extensions: [sni('a.example')] })), 22, 0x0300),
    'a.example',
  ],
  'early data behind the hello': [
    Buffer.concat([hello(sni('a.example')), record(plain('x'), 23)]),
    'a.example',
  ],
  'another message in the same record': [
    record(Buffer.concat([named, message(plain('?'), 2)])),
    'shop.example h2,http/1.1',
  ],
  'records of a byte each': [records(named, new Array(named.length).fill(1)), 'shop.example h2,http/1.1'],
  'a record that ends within the message head': [records(named, [2]), 'shop.example h2,http/1.1'],
  'a record that ends within the name': [
    records(named, [named.indexOf('example') + 2]),
    'shop.example h2,http/1.1',
  ],

  'two names': [hello(sni('a.example', 'b.example')), 'not TLS: malformed'],
  'two lists of names': [hello(sni('a.example'), sni('b.example')), 'not TLS: malformed'],
  'two lists of names, the first of them empty': [hello(sni(), sni('b.example')), 'not TLS: malformed'],
  'two lists of protocols': [hello(alpn('h2'), alpn('h2')), 'not TLS: malformed'],
  'a name of another type': [
    hello(extension(0, list16(Buffer.concat([uint8(1), list16(plain('a'))])))),
    'not TLS: malformed',
  ],
  'a name longer than its list': [
    hello(extension(0, list16(Buffer.concat([uint8(0), uint16(5), plain('a')])))),
    'not TLS: malformed',
  ],
  'a name shorter than its list': [
    hello(extension(0, list16(Buffer.concat([nameEntry('a.example'), plain('b')])))),
    'not TLS: malformed',
  ],
  'a list of names shorter than its extension': [
    hello(extension(0, Buffer.concat([list16(nameEntry('a.example')), plain('b')]))),
    'not TLS: malformed',
  ],
  'half a length of a list of names': [hello(extension(0, plain('\0'))), 'not TLS: malformed'],
  'a type of a name and no name': [hello(extension(0, list16(plain('\0')))), 'not TLS: malformed'],
  'no protocols in their list': [hello(alpn()), 'not TLS: malformed'],
  'an empty protocol': [hello(alpn('h2', '')), 'not TLS: malformed'],
  'a protocol longer than its list': [hello(extension(16, list16(plain('\x03h2')))), 'not TLS: malformed'],
  'a list of protocols shorter than its extension': [
    hello(extension(16, Buffer.concat([list16(list8(plain('h2'))), plain('x')]))),
    'not TLS: malformed',
  ],
  'an empty extension of protocols': [hello(extension(16, empty)), 'not TLS: malformed'],
  'an extension longer than the hello': [
    hello(Buffer.concat([uint16(5), uint16(3), plain('xx')])),
    'not TLS: malformed',
  ],
  'half the head of an extension': [hello(sni('a.example'), plain('\0\x05\0')), 'not TLS: malformed'],
  'bytes behind the extensions': [
    record(message(Buffer.concat([body({ extensions: [sni('a.example')] }), plain('x')]))),
    'not TLS: malformed',
  ],
  'half a length of extensions': [
    record(message(Buffer.concat([body({ extensions: null }), plain('\0')]))),
    'not TLS: malformed',
  ],
  'a session id of 33 bytes': [record(message(body({ sessionId: Buffer.alloc(33) }))), 'not TLS: malformed'],
  'an odd number of bytes of ciphers': [
    record(message(body({ ciphers: Buffer.alloc(3) }))),
    'not TLS: malformed',
  ],
  'no ciphers': [record(message(body({ ciphers: empty }))), 'not TLS: malformed'],
  'no compression': [record(message(body({ compression: empty }))), 'not TLS: malformed'],
  'a session id beyond the end': [record(message(Buffer.alloc(41, 255).fill(3, 0, 1))), 'not TLS: malformed'],
  'version 2 within': [record(message(body({ version: 0x0200 }))), 'not TLS: malformed'],
  'an empty message': [record(message(empty)), 'not TLS: malformed'],
  'a record of nothing': [record(empty), 'not TLS: malformed'],
  'a record of nothing in the middle': [
    Buffer.concat([record(named.subarray(0, 9)), record(empty), record(named.subarray(9))]),
    'not TLS: malformed',
  ],
  'an alert in the middle': [
    Buffer.concat([record(named.subarray(0, 9)), record(plain('\x02\x28'), 21), record(named.subarray(9))]),
    'not TLS: malformed',
  ],
  'a record of more than 16 KiB': [
    Buffer.concat([plain('\x16\x03\x01'), uint16(16_385)]),
    'not TLS: malformed',
  ],
  'a hello of 64 KiB, decided when its length is there': [
    plain('\x16\x03\x01\x40\x00\x01\x01\0\0'),
    'not TLS: too-long',
  ],
  'a ServerHello': [record(message(body({}), 2)), 'not TLS: not-hello'],
  'an alert': [record(plain('\x02\x28'), 21), 'not TLS: not-handshake'],
  'application data': [record(plain('x'), 23), 'not TLS: not-handshake'],
  'a hello of SSL 2.0': [Buffer.from('802e0103000015000000100000', 'hex'), 'not TLS: not-handshake'],
  HTTP: [plain('GET / HTTP/1.1\r\n'), 'not TLS: not-handshake'],
  SSH: [plain('SSH-2.0-OpenSSH_9.2\r\n'), 'not TLS: not-handshake'],
  'a STARTTLS of PostgreSQL': [Buffer.from('0000000804d2162f', 'hex'), 'not TLS: not-handshake'],
  'a PROXY header': [plain('PROXY UNKNOWN\r\n'), 'not TLS: not-handshake'],
  'one byte that cannot be': [plain('\x15'), 'not TLS: not-handshake'],
  'a second byte that cannot be': [plain('\x16\x02'), 'not TLS: version'],
  'a sixth byte that cannot be': [plain('\x16\x03\x01\x00\x40\x02'), 'not TLS: not-hello'],
  nothing: [empty, 'incomplete 50'],
}
for (const [name, [bytes, is]] of Object.entries(cases)) {
  test(`${name}: ${JSON.stringify(is.slice(0, 60))}`, (t) => {
    t.is(told(readClientHello(bytes)), is)
    t.is(told(answer(bytes)), is)
  })
}

test('a hello of exactly 16 KiB, record included, is read; one byte more is too long', (t) => {
  const least = hello(extension(21, empty)).length
  const of = (bytes: number) => hello(extension(21, Buffer.alloc(bytes - least)))
  t.is(of(16_384).length, 16_384)
  t.is(told(readClientHello(of(16_384))), 'no name')
  t.is(told(readClientHello(of(16_385))), 'not TLS: too-long')
})

test('many small records count towards the 16 KiB', (t) => {
  const content = message(body({ extensions: [sni('a.example'), extension(21, Buffer.alloc(3_000))] }))
  t.is(told(readClientHello(records(content, new Array(1000).fill(2)))), 'a.example')
  t.is(told(answer(records(content, new Array(content.length).fill(1)), 1000)), 'not TLS: too-long')
})

test('a hello outlives the buffer that it was read from', (t) => {
  const bytes = hello(sni('shop.example'), alpn('h2'))
  const read = readClientHello(bytes)
  bytes.fill(0)
  t.is(told(read), 'shop.example h2')
})

const hellos: Readonly<Record<string, Uint8Array>> = {
  'a hello in one record': record(named),
  'a hello in three records': records(named, [3, 40]),
  'a post-quantum hello': hello(grease[0], keyShares, sni('shop.example'), alpn('h2')),
}
for (const [name, bytes] of Object.entries(hellos)) {
  test(`${name}: every prefix is incomplete, and asks for no more than there will be`, (t) => {
    for (let length = 0; length < bytes.length; length++) {
      const read = readClientHello(bytes.subarray(0, length))
      const { needs } = read.kind === 'incomplete' ? read : { needs: -1 }
      if (needs <= length || needs > bytes.length) t.fail(`${length} bytes: ${told(read)}`)
    }
    t.is(readClientHello(bytes).kind, 'found')
  })
}

test('whoever waits for what is asked for looks as often as there are records, and not more', (t) => {
  for (const [sizes, most] of [
    [[], 3],
    [[3, 40], 5],
  ] as const) {
    const bytes = records(named, sizes)
    let looks = 0
    for (let length = 0; ; looks++) {
      const read = readClientHello(bytes.subarray(0, length))
      if (read.kind !== 'incomplete') break
      length = read.needs
    }
    t.true(looks <= most, `${looks} looks`)
  }
})

test('with any byte changed a hello has one answer, whatever the pieces it comes in', (t) => {
  for (const bytes of [record(named), records(named, [3, 40])]) {
    for (let at = 0; at < bytes.length; at++) {
      for (let value = 0; value < 256; value++) {
        const changed = Uint8Array.from(bytes)
        changed[at] = value
        const read = readClientHello(changed)
        if (value % 16 === at % 16) assertSame(answer(changed), read, `byte ${at} set to ${value}`)
        if (read.kind === 'notTls' && !notTlsReasons.includes(read.why)) t.fail(told(read))
      }
    }
  }
  t.pass()
})

function assertSame(a: ClientHello, b: ClientHello, text: string): void {
  if (told(a) !== told(b)) throw new Error(`${text}: ${told(a)} in pieces, ${told(b)} whole`)
}

const anyExtension = fc.oneof(
  fc.array(fc.domain(), { minLength: 1, maxLength: 2 }).map((names) => sni(...names)),
  fc.array(fc.string({ maxLength: 10 }), { maxLength: 3 }).map((names) => alpn(...names)),
  fc.tuple(fc.nat(65_535), fc.uint8Array({ maxLength: 60 })).map(([type, data]) => extension(type, data)),
  fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
)
const anyContent = fc.oneof(
  fc.array(anyExtension, { maxLength: 4 }).map((extensions) => message(body({ extensions }))),
  fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.from(bytes)),
  fc.uint8Array({ minLength: 41, maxLength: 120 }).map((bytes) => message(bytes)),
)

test('any message in any records has one answer, whatever the pieces it comes in', (t) => {
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 4 })
  fc.assert(
    fc.property(anyContent, sizes, fc.uint8Array({ maxLength: 10 }), (content, cuts, rest) => {
      const bytes = Buffer.concat([records(content, cuts), rest])
      assertSame(answer(bytes), readClientHello(bytes), bytes.toString('hex'))
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('any bytes have one answer, whatever the pieces they come in', (t) => {
  const starts = fc.constantFrom(empty, plain('\x16\x03'), plain('\x16\x03\x01\0\x50\x01\0\0\x4c'))
  fc.assert(
    fc.property(starts, fc.uint8Array({ maxLength: 120 }), (start, rest) => {
      const bytes = Buffer.concat([start, rest])
      assertSame(answer(bytes), readClientHello(bytes), bytes.toString('hex'))
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('the same message has the same answer in any records', (t) => {
  const sizes = fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 6 })
  fc.assert(
    fc.property(
      fc.domain(),
      fc.array(fc.domain(), { minLength: 1, maxLength: 3 }),
      sizes,
      (name, protocols, cuts) => {
        const content = message(body({ extensions: [sni(name), keyShares, alpn(...protocols)] }))
        const expected = { kind: 'found', serverName: name.toLowerCase(), alpn: protocols } as const
        t.deepEqual(readClientHello(records(content, cuts)), expected)
      },
    ),
  )
})
