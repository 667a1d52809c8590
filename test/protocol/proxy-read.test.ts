import test from 'ava'
import fc from 'fast-check'
import { type ProxyRead, proxyFaults } from '../../src/protocol/proxy-found.ts'
import { readProxy } from '../../src/protocol/proxy-read.ts'
import { proxyV1, proxyV1Unknown } from '../../src/protocol/proxy-v1.ts'
import { proxyV2, proxyV2Local, proxyV2Unknown } from '../../src/protocol/proxy-v2.ts'
import { readProxy as readStrictly } from '../helpers/read-proxy.ts'
import { block4, block6, blockUnix, line, signature, tlv, told, v2 } from './proxy-bytes.ts'
import { anyAddress, ends } from './proxy-fixture.ts'

/** `incomplete` for as long as it is, then what it is: the one answer that a header has. */
function answer(bytes: Uint8Array): ProxyRead {
  for (let length = 0; length <= bytes.length; length++) {
    const read = readProxy(bytes.subarray(0, length))
    if (read.kind !== 'incomplete') return read
  }
  return readProxy(bytes)
}

const lines: Readonly<Record<string, string>> = {
  'PROXY TCP4 192.0.2.1 198.51.100.7 51234 443\r\n': 'v1 proxy 192.0.2.1:51234 > 198.51.100.7:443 (45)',
  'PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n': 'v1 proxy 0.0.0.0:0 > 255.255.255.255:65535 (44)',
  'PROXY TCP6 2001:Db8::1 :: 123 5678\r\n': 'v1 proxy [2001:db8::1]:123 > [::]:5678 (36)',
  'PROXY TCP6 1:2:3:4:5:6:7:: 1:2:3:4:5:6:7:8 1 2\r\n':
    'v1 proxy [1:2:3:4:5:6:7:0]:1 > [1:2:3:4:5:6:7:8]:2 (48)',
  'PROXY TCP6 ::ffff:c000:201 ::ffff:192.0.2.2 1 2\r\n': 'v1 proxy 192.0.2.1:1 > 192.0.2.2:2 (49)',
  'PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n': 'v1 proxy 192.0.2.1:1 > [2001:db8::2]:2 (45)',
  'PROXY UNKNOWN\r\n': 'v1 local nobody (15)',
  'PROXY UNKNOWN \r\n': 'v1 local nobody (16)',
  'PROXY UNKNOWN anything at all, \x00\xff too\r\n': 'v1 local nobody (39)',
  'PROXY \r\n': 'malformed protocol',
  'PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n': 'malformed protocol',
  'PROXY TCP4\r\n': 'malformed protocol',
  'PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n': 'malformed protocol',
  'PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n': 'malformed protocol',
  'PROXY TCP4\t192.0.2.1 192.0.2.2 1 2\r\n': 'malformed protocol',
  'PROXY UNKNOWNS\r\n': 'malformed protocol',
  'PROXY TCP4 \r\n': 'malformed fields',
  'PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n': 'malformed fields',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n': 'malformed fields',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n': 'malformed fields',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n': 'malformed line-end',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r \n': 'malformed line-end',
  'PROXY UNKNOWN with \n in it\r\n': 'malformed line-end',
  'PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n': 'malformed address',
  'PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n': 'malformed address',
  'PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n': 'malformed address',
  'PROXY TCP4 0xc0.0.2.1 192.0.2.2 1 2\r\n': 'malformed address',
  'PROXY TCP4 ::1 ::1 1 2\r\n': 'malformed address',
  'PROXY TCP6 12345:: ::1 1 2\r\n': 'malformed address',
  'PROXY TCP6 1::2::3 ::1 1 2\r\n': 'malformed address',
  'PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n': 'malformed address',
  'PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n': 'malformed address',
  'PROXY TCP6 1::2:3:4:5:6:7:8 ::1 1 2\r\n': 'malformed address',
  'PROXY TCP4 192.0.2.1 192.0.2.2 00 2\r\n': 'malformed port',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n': 'malformed port',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\t\r\n': 'malformed port',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 0x50\r\n': 'malformed port',
  PROX: 'incomplete 15',
  PROXY: 'incomplete 15',
  'PROXX TCP4 192.0.2.1 192.0.2.2 1 2\r\n': 'not this',
  'proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n': 'not this',
  'GET / HTTP/1.1\r\n': 'not this',
  '\x16\x03\x01': 'not this',
  '': 'incomplete 15',
}
for (const [text, expected] of Object.entries(lines)) {
  test(`${JSON.stringify(text)} is ${expected}`, (t) => {
    t.is(told(answer(line(text))), expected)
    t.is(told(readProxy(line(text))), expected)
  })
}

const binary: Readonly<Record<string, readonly [header: Uint8Array, expected: string]>> = {
  'TCP over IPv4': [v2(0x21, 0x11, [block4]), 'v2 proxy 192.0.2.1:1234 > 192.0.2.2:5678 (28)'],
  'TCP over IPv6': [v2(0x21, 0x21, [block6]), 'v2 proxy [2001:db8::1]:1234 > [2001:db8::2]:5678 (52)'],
  'UDP over IPv4, whose client is named like any other': [
    v2(0x21, 0x12, [block4]),
    'v2 proxy 192.0.2.1:1234 > 192.0.2.2:5678 (28)',
  ],
  'UDP over IPv6': [v2(0x21, 0x22, [block6]), 'v2 proxy [2001:db8::1]:1234 > [2001:db8::2]:5678 (52)'],
  'a v4-mapped source, which is IPv4': [
    v2(0x21, 0x21, [Buffer.from(`${'00'.repeat(10)}ffffc0000201`, 'hex'), block6.subarray(16)]),
    'v2 proxy 192.0.2.1:1234 > [2001:db8::2]:5678 (52)',
  ],
  'UNIX stream': [v2(0x21, 0x31, [blockUnix]), 'v2 proxy nobody (232)'],
  'UNIX datagram': [v2(0x21, 0x32, [blockUnix]), 'v2 proxy nobody (232)'],
  'PROXY without a family': [v2(0x21, 0x00, []), 'v2 proxy nobody (16)'],
  'PROXY without a family, with a TLV': [v2(0x21, 0x00, [tlv(5, 'id')]), 'v2 proxy nobody (21)'],
  'PROXY without a family, with what is no TLV': [v2(0x21, 0x00, [block4]), 'malformed tlv'],
  LOCAL: [v2(0x20, 0x00, []), 'v2 local nobody (16)'],
  'LOCAL with a TLV': [v2(0x20, 0x00, [tlv(5, 'id')]), 'v2 local nobody (21)'],
  'LOCAL with what is no TLV': [v2(0x20, 0x00, [line('anything')]), 'v2 local nobody (24)'],
  'LOCAL with a wrong checksum': [v2(0x20, 0x00, [tlv(3, 'abcd')]), 'malformed checksum'],
  'LOCAL with a family and its addresses': [v2(0x20, 0x11, [block4]), 'v2 local nobody (28)'],
  'LOCAL with a family and no address': [v2(0x20, 0x21, []), 'v2 local nobody (16)'],
  'LOCAL with a family that does not exist': [v2(0x20, 0xff, [line('12345')]), 'v2 local nobody (21)'],
  'LOCAL of 64 KiB': [v2(0x20, 0x00, [], 0xffff), 'malformed too-long'],
  'version 1': [v2(0x11, 0x11, [block4]), 'malformed version'],
  'version 3': [v2(0x31, 0x11, [block4]), 'malformed version'],
  'command 2': [v2(0x22, 0x11, [block4]), 'malformed command'],
  'an IP family without a transport': [v2(0x21, 0x10, [block4]), 'malformed family'],
  'a family that is unassigned': [v2(0x21, 0x41, [block4]), 'malformed family'],
  'a transport that is unassigned': [v2(0x21, 0x13, [block4]), 'malformed family'],
  'eleven bytes of addresses': [v2(0x21, 0x11, [block4], 11), 'malformed too-short'],
  'IPv4 addresses where IPv6 is said': [v2(0x21, 0x21, [block4]), 'malformed too-short'],
  '16 KiB in all': [
    v2(0x21, 0x11, [block4, tlv(4, new Uint8Array(16_384 - 28 - 3))]),
    'v2 proxy 192.0.2.1:1234 > 192.0.2.2:5678 (16384)',
  ],
  'a byte more than 16 KiB': [
    v2(0x21, 0x11, [block4, tlv(4, new Uint8Array(16_384 - 28 - 2))]),
    'malformed too-long',
  ],
  'a lone CR': [line('\r'), 'incomplete 16'],
  'the signature alone': [signature, 'incomplete 16'],
  'an empty line of HTTP': [line('\r\nGET / HTTP/1.1'), 'not this'],
}
for (const [name, [header, expected]] of Object.entries(binary)) {
  test(`v2: ${name} is ${expected}`, (t) => {
    t.is(told(answer(header)), expected)
    t.is(told(readProxy(header)), expected)
  })
}

test('what follows the header is not looked at', (t) => {
  const payload = Buffer.concat([line('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n'), signature])
  for (const header of [line('PROXY UNKNOWN\r\n'), v2(0x21, 0x11, [block4, tlv(4, '')]), v2(0x20, 0, [])]) {
    t.deepEqual(readProxy(Buffer.concat([header, payload])), readProxy(header))
  }
})

test('a header outlives the buffer that it was read from', (t) => {
  const bytes = v2(0x21, 0x11, [block4, tlv(5, 'id')])
  const read = readProxy(bytes)
  bytes.fill(0)
  t.is(told(read), 'v2 proxy 192.0.2.1:1234 > 192.0.2.2:5678 (33)')
  t.deepEqual(read.kind === 'found' && [...read.tlvs], [...tlv(5, 'id')])
})

const written: Readonly<Record<string, Uint8Array>> = {
  UNKNOWN: proxyV1Unknown(),
  LOCAL: proxyV2Local(),
  'LOCAL with an id': proxyV2Unknown('c-17'),
  'UNIX with TLVs': v2(0x21, 0x31, [
    blockUnix,
    tlv(1, 'h2'),
    tlv(0x20, `\x01\0\0\0\0${tlv(0x21, 'TLSv1.3')}`),
  ]),
}
for (const [name, [client, local]] of Object.entries(ends)) {
  Object.assign(written, {
    [`v1 ${name}`]: proxyV1(client, local),
    [`v2 ${name}`]: proxyV2(client, local, 'c-17'),
  })
}
for (const [name, header] of Object.entries(written)) {
  test(`${name}: every prefix is incomplete, and asks for no more than there will be`, (t) => {
    for (let length = 0; length < header.length; length++) {
      const read = readProxy(header.subarray(0, length))
      t.true(
        read.kind === 'incomplete' && read.needs > length && read.needs <= header.length,
        `${length} bytes`,
      )
    }
    t.is(readProxy(header).kind, 'found')
  })

  test(`${name}: with any byte changed it has one answer, whatever the pieces it comes in`, (t) => {
    for (let at = 0; at < header.length; at++) {
      for (let value = 0; value < 256; value++) {
        const changed = Uint8Array.from(header)
        changed[at] = value
        const read = readProxy(changed)
        // A long quadratic loop otherwise; the last part of a header is where the answers are.
        if (value % 16 === at % 16) assertSame(answer(changed), read, `byte ${at} set to ${value}`)
        if (!isKnown(read)) t.fail(`byte ${at} set to ${value}: ${JSON.stringify(read)}`)
      }
    }
    t.pass()
  })
}

function assertSame(a: ProxyRead, b: ProxyRead, message: string): void {
  if (told(a) !== told(b) && !(a.kind === 'incomplete' && b.kind === 'incomplete'))
    throw new Error(`${message}: ${told(a)} in pieces, ${told(b)} whole`)
}

function isKnown(read: ProxyRead): boolean {
  return read.kind === 'malformed' ? proxyFaults.includes(read.reason) : told(read) !== ''
}

const starts = [
  Buffer.alloc(0),
  line('PROXY TCP4 '),
  line('PROXY UNKNOWN'),
  signature,
  v2(0x21, 0x11, [block4], 60),
]
const anyBytes = fc
  .tuple(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 150 }))
  .map(([start, rest]) => Buffer.concat([start, rest]))

test('any bytes have one answer, whatever the pieces they come in', (t) => {
  fc.assert(fc.property(anyBytes, (bytes) => assertSame(answer(bytes), readProxy(bytes), 'any')))
  t.pass()
})

test('what a stricter reader takes, this one takes, and names the same', (t) => {
  const line4 = fc
    .tuple(fc.ipV4(), fc.ipV4(), fc.nat(70_000), fc.nat(70_000))
    .map(([a, b, c, d]) => line(`PROXY TCP4 ${a} ${b} ${c} ${d}\r\n`))
  const line6 = fc
    .tuple(fc.ipV6(), fc.ipV6(), fc.nat(70_000), fc.nat(70_000))
    .map(([a, b, c, d]) => line(`PROXY TCP6 ${a} ${b} ${c} ${d}\r\n`))
  fc.assert(
    fc.property(fc.oneof(line4, line6, anyBytes), (bytes) => {
      const strict = readStrictly(bytes)
      const read = readProxy(bytes)
      if (strict.kind === 'incomplete') return read.kind === 'incomplete' || read.kind === 'malformed'
      if (strict.kind === 'invalid') return true
      return read.kind === 'found' && read.length === strict.length
    }),
  )
  t.pass()
})

const anyTlv = fc
  .tuple(fc.nat(255), fc.uint8Array({ maxLength: 40 }))
  .filter(([type]) => type !== 3 && type !== 0x20)
  .map(([type, value]) => tlv(type, value))

test('what is read is written as the same bytes, and read as the same', (t) => {
  fc.assert(
    fc.property(anyAddress, anyAddress, fc.array(anyTlv, { maxLength: 5 }), (client, local, tlvs) => {
      const header = proxyV2(client, local, '', Buffer.concat(tlvs))
      const read = readProxy(header)
      if (read.kind !== 'found' || read.ends === null) return false
      const again = proxyV2(read.ends.source, read.ends.destination, '', read.tlvs)
      t.deepEqual(readProxy(again), { ...read, length: again.length })
      // Two v4-mapped ends come out as IPv4: the same hosts in fewer bytes.
      const shrunk =
        client.family === 6 && read.ends.source.family === 4 && read.ends.destination.family === 4
      return shrunk || Buffer.compare(again, header) === 0
    }),
  )
  fc.assert(
    fc.property(anyAddress, anyAddress, (client, local) => {
      const read = readProxy(proxyV1(client, local))
      return (
        read.kind === 'found' &&
        read.ends !== null &&
        told(readProxy(proxyV1(read.ends.source, read.ends.destination))).split(' (')[0] ===
          told(read).split(' (')[0]
      )
    }),
  )
  t.pass()
})

test('both versions name the same ends', (t) => {
  fc.assert(
    fc.property(anyAddress, anyAddress, (client, local) => {
      const [a, b] = [readProxy(proxyV1(client, local)), readProxy(proxyV2(client, local, 'id'))]
      t.deepEqual(a.kind === 'found' && a.ends, b.kind === 'found' && b.ends)
    }),
  )
})

test('a line and a header that are as long as they may be are read to their end', (t) => {
  const long = Buffer.concat([line('PROXY TCP6 '), Buffer.alloc(16_000, 'f:')])
  t.is(told(readProxy(long)), 'malformed line-too-long')
  t.is(told(readProxy(v2(0x21, 0x11, [block4, Buffer.alloc(16_355)]))), 'malformed tlv')
  t.is(told(readProxy(v2(0x21, 0x11, [block4, Buffer.alloc(16_356)]))).slice(0, 8), 'v2 proxy')
})
