import test from 'ava'
import fc from 'fast-check'
import { crc32c } from '../../src/protocol/crc32c.ts'
import type { ProxyFault } from '../../src/protocol/proxy-found.ts'
import { unknownHeader } from '../../src/protocol/proxy-header.ts'
import { readProxy } from '../../src/protocol/proxy-read.ts'
import { alpnOf, authorityOf, tlvType, tlvValue } from '../../src/protocol/proxy-tlv.ts'
import { proxyV2 } from '../../src/protocol/proxy-v2.ts'
import { block4, line, tlv, told, v2 } from './proxy-bytes.ts'
import { address } from './proxy-fixture.ts'

const client = address('192.0.2.1', 1)
const local = address('192.0.2.2', 2)

/** A header with these TLVs. */
function withTlvs(...tlvs: readonly Uint8Array[]): Buffer {
  return v2(0x21, 0x11, [block4, ...tlvs])
}

/** The same with a right checksum after them, by the procedure of section 2.2.3. */
function summed(...tlvs: readonly Uint8Array[]): Buffer {
  const header = withTlvs(...tlvs, tlv(3, Buffer.alloc(4)))
  header.writeUInt32BE(crc32c(header, -1), header.length - 4)
  return header
}

function tlvsOf(header: Uint8Array): Uint8Array {
  const read = readProxy(header)
  if (read.kind !== 'found') throw new Error(told(read))
  return read.tlvs
}

test('CRC32C of the check string, of RFC 3720 and of bytes of which four count as zero', (t) => {
  t.is(crc32c(line('123456789'), -1), 0xe3069283)
  t.is(crc32c(Buffer.alloc(32), -1), 0x8a9136aa)
  t.is(crc32c(Buffer.alloc(32, 0xff), -1), 0x62a8ab43)
  t.is(
    crc32c(
      Uint8Array.from({ length: 32 }, (_, i) => i),
      -1,
    ),
    0x46dd794e,
  )
  t.is(crc32c(Buffer.concat([Buffer.alloc(10), line('abcd'), Buffer.alloc(18)]), 10), 0x8a9136aa)
})

const faults: Readonly<Record<string, readonly [header: Uint8Array, fault: ProxyFault | null]>> = {
  'a type alone': [withTlvs(Buffer.of(0xe1)), 'tlv'],
  'a type and half a length': [withTlvs(Buffer.of(0xe1, 0)), 'tlv'],
  'a value that is not there': [withTlvs(Buffer.of(0xe1, 0, 1)), 'tlv'],
  'a value beyond the header': [withTlvs(Buffer.of(0xe1, 0, 2, 0)), 'tlv'],
  'a value of nothing': [withTlvs(tlv(0xe1, '')), null],
  'padding by NOOP': [withTlvs(tlv(4, ''), tlv(4, 'xxxx')), null],
  'a right checksum': [summed(tlv(1, 'h2')), null],
  'a checksum ahead of others': [withChecksumFirst(), null],
  'a wrong checksum': [withTlvs(tlv(3, 'abcd')), 'checksum'],
  'a checksum of three bytes': [withTlvs(tlv(3, 'abc')), 'checksum'],
  'a checksum of five bytes': [withTlvs(tlv(3, 'abcde')), 'checksum'],
  'two checksums, of which no order makes sense': [summed(tlv(3, Buffer.alloc(4))), 'checksum'],
  'an id of 128 bytes': [withTlvs(tlv(5, 'x'.repeat(128))), null],
  'an id of 129 bytes': [withTlvs(tlv(5, 'x'.repeat(129))), 'unique-id'],
  'a name of 255 bytes': [withTlvs(tlv(2, 'x'.repeat(255))), null],
  'a name of 256 bytes': [withTlvs(tlv(2, 'x'.repeat(256))), 'authority'],
  'SSL without TLVs of its own': [withTlvs(tlv(0x20, Buffer.alloc(5))), null],
  'SSL with TLVs of its own': [withTlvs(ssl(tlv(0x21, 'TLSv1.3'), tlv(0x22, 'example.com'))), null],
  'SSL of four bytes': [withTlvs(tlv(0x20, Buffer.alloc(4))), 'ssl'],
  'SSL with a TLV that exceeds it': [withTlvs(ssl(Buffer.of(0x21, 0, 8, 1)), tlv(4, 'xxxxxxxx')), 'ssl'],
  'SSL with half a TLV': [withTlvs(ssl(Buffer.of(0x21, 0))), 'ssl'],
}
for (const [name, [header, fault]] of Object.entries(faults)) {
  test(`${name} is ${fault === null ? 'fine' : `malformed ${fault}`}`, (t) => {
    const read = readProxy(header)
    t.is(read.kind === 'malformed' ? read.reason : null, fault)
  })
}

function ssl(...tlvs: readonly Uint8Array[]): Buffer {
  return tlv(0x20, Buffer.concat([Buffer.of(1, 0, 0, 0, 0), ...tlvs]))
}

function withChecksumFirst(): Buffer {
  const header = withTlvs(tlv(3, Buffer.alloc(4)), tlv(1, 'h2'))
  header.writeUInt32BE(crc32c(header, -1), 31)
  return header
}

test('with a checksum, every changed byte of the header is noticed', (t) => {
  const header = summed(tlv(5, 'c-17'), tlv(0xe0, 'x'))
  for (let at = 0; at < header.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = Uint8Array.from(header)
      changed[at] = (changed[at] ?? 0) ^ (1 << bit)
      const read = readProxy(changed)
      // LOCAL with a family is accepted whatever follows, and a type that is no checksum any more is not looked at.
      const unseen = (at === 12 && bit === 0) || at === header.length - 7
      if (!unseen) t.not(read.kind, 'found', `bit ${bit} of byte ${at}`)
    }
  }
})

test('the authority is a server name: ASCII in lower case, without a dot at its end', (t) => {
  const said = (value: string | Uint8Array) => authorityOf(tlvsOf(withTlvs(tlv(2, value))))
  t.is(said('Shop.Example'), 'shop.example')
  t.is(said('shop.example.'), 'shop.example')
  t.is(said(''), null)
  t.is(said('192.0.2.1'), null)
  t.is(said('2001:db8::1'), null)
  t.is(said('[::1]'), null)
  t.is(said(Buffer.of(0xff, 0x41)), '\xffa')
  t.is(authorityOf(tlvsOf(withTlvs())), null)
})

test('of two authorities the first counts', (t) => {
  t.is(authorityOf(tlvsOf(withTlvs(tlv(2, 'a.example'), tlv(2, 'b.example')))), 'a.example')
})

test('ALPN is one name, or the list of the TLS extension', (t) => {
  const said = (value: string) => alpnOf(tlvsOf(withTlvs(tlv(1, value))))
  t.deepEqual(said('h2'), ['h2'])
  t.deepEqual(said('http/1.1'), ['http/1.1'])
  t.deepEqual(said('\x02h2\x08http/1.1'), ['h2', 'http/1.1'])
  t.deepEqual(said('\x02h2\x08http/1.'), ['\x02h2\x08http/1.'])
  t.deepEqual(said(''), [])
  t.deepEqual(alpnOf(tlvsOf(withTlvs())), [])
})

test('received TLVs go on as they came, ahead of our id', (t) => {
  const received = tlvsOf(withTlvs(tlv(1, 'h2'), tlv(4, 'pad'), ssl(tlv(0x21, 'TLSv1.3')), tlv(0xea, 'vpce')))
  const header = proxyV2(client, local, 'c-17', received)
  t.deepEqual([...tlvsOf(header)], [...received, ...tlv(5, 'c-17')])
})

test('an id that came is kept, and ours is not added', (t) => {
  const header = proxyV2(client, local, 'ours', tlvsOf(withTlvs(tlv(5, 'theirs'), tlv(1, 'h2'))))
  t.deepEqual([...tlvsOf(header)], [...tlv(5, 'theirs'), ...tlv(1, 'h2')])
})

test('a checksum that came is made anew for the header that is sent', (t) => {
  const received = tlvsOf(summed(tlv(1, 'h2')))
  const header = proxyV2(client, local, 'c-17', received)
  t.is(told(readProxy(header)), 'v2 proxy 192.0.2.1:1 > 192.0.2.2:2 (47)')
  t.notDeepEqual(tlvValue(tlvsOf(header), tlvType.crc32c), tlvValue(received, tlvType.crc32c))
})

test('a client without an address is announced as LOCAL, its TLVs with it', (t) => {
  const received = tlvsOf(summed(tlv(2, 'shop.example')))
  const header = unknownHeader('v2', 'c-17', received)
  t.is(told(readProxy(header)), `v2 local nobody (${16 + received.length + 7})`)
  t.is(authorityOf(tlvsOf(header)), 'shop.example')
  t.is(Buffer.from(unknownHeader('v1', 'c-17', received)).toString(), 'PROXY UNKNOWN\r\n')
})

test('TLVs that were read are written and read again as the same', (t) => {
  const any = fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 64 })).map(([type, value]) => tlv(type, value))
  fc.assert(
    fc.property(fc.array(any, { maxLength: 6 }), fc.boolean(), (tlvs, sum) => {
      const read = readProxy(sum ? summed(...tlvs) : withTlvs(...tlvs))
      if (read.kind !== 'found') return true
      const header = proxyV2(client, local, '', read.tlvs)
      const again = readProxy(header)
      return again.kind === 'found' && Buffer.compare(proxyV2(client, local, '', again.tlvs), header) === 0
    }),
  )
  t.pass()
})
