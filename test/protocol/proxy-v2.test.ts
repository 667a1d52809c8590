import test from 'ava'
import fc from 'fast-check'
import { proxyV2, proxyV2Local } from '../../src/protocol/proxy-v2.ts'
import { readProxy } from '../helpers/read-proxy.ts'
import { address, anyAddress, asReceived, ends } from './proxy-fixture.ts'

const signature = '0d0a0d0a000d0a515549540a'

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

test('TCP over IPv4 is laid out as struct proxy_hdr_v2 and ipv4_addr', (t) => {
  const header = proxyV2(address('192.168.0.1', 56324), address('192.168.0.11', 443), '')
  t.is(hex(header), `${signature}2111000c${'c0a80001'}${'c0a8000b'}${'dc04'}${'01bb'}`)
})

test('TCP over IPv6 is laid out as struct proxy_hdr_v2 and ipv6_addr', (t) => {
  const header = proxyV2(address('2001:db8::5', 51234), address('::1', 443), '')
  const source = '20010db8000000000000000000000005'
  const destination = '00000000000000000000000000000001'
  t.is(hex(header), `${signature}21210024${source}${destination}${'c822'}${'01bb'}`)
})

test('the unique id is a PP2_TYPE_UNIQUE_ID after the addresses', (t) => {
  const header = proxyV2(address('192.0.2.1', 1), address('192.0.2.2', 2), 'abc')
  t.is(
    hex(header),
    `${signature}21110012${'c0000201'}${'c0000202'}${'0001'}${'0002'}${'05'}${'0003'}${'616263'}`,
  )
})

test('ends of two families become IPv6, the IPv4 one v4-mapped', (t) => {
  const mapped = '00000000000000000000ffffc0000201'
  const other = '20010db8000000000000000000000443'
  const v4 = address('192.0.2.1', 1)
  const v6 = address('2001:db8::443', 2)
  t.is(hex(proxyV2(v4, v6, '')), `${signature}21210024${mapped}${other}00010002`)
  t.is(hex(proxyV2(v6, v4, '')), `${signature}21210024${other}${mapped}00020001`)
})

test('a connection of our own is LOCAL with neither family nor address', (t) => {
  t.is(hex(proxyV2Local()), `${signature}20000000`)
  t.deepEqual(readProxy(proxyV2Local()), {
    kind: 'found',
    version: 2,
    source: null,
    destination: null,
    uniqueId: null,
    length: 16,
  })
})

test('a unique id may have 128 bytes, and one more is an error that says so', (t) => {
  const ends = [address('192.0.2.1', 1), address('192.0.2.2', 2)] as const
  const read = readProxy(proxyV2(...ends, 'x'.repeat(128)))
  t.is(read.kind === 'found' ? read.uniqueId : read.kind, 'x'.repeat(128))
  t.throws(() => proxyV2(...ends, 'x'.repeat(129)), {
    instanceOf: RangeError,
    message: /129 bytes.*at most 128/,
  })
  t.throws(() => proxyV2(...ends, 'é'.repeat(65)), { instanceOf: RangeError, message: /130 bytes/ })
})

test('every header is read back as it was meant, and leaves the bytes behind it alone', (t) => {
  const uniqueId = fc.string({ unit: 'grapheme', maxLength: 30 }).filter((id) => Buffer.byteLength(id) <= 128)
  fc.assert(
    fc.property(anyAddress, anyAddress, uniqueId, fc.uint8Array(), (client, local, id, payload) => {
      const header = proxyV2(client, local, id)
      t.deepEqual(readProxy(Buffer.concat([header, payload])), {
        kind: 'found',
        version: 2,
        source: asReceived(client, local),
        destination: asReceived(local, client),
        uniqueId: id === '' ? null : id,
        length: header.length,
      })
    }),
  )
})

for (const [name, [client, local]] of Object.entries(ends)) {
  const header = proxyV2(client, local, 'c-17')

  test(`${name}: every prefix is incomplete`, (t) => {
    for (let length = 0; length < header.length; length++) {
      t.deepEqual(readProxy(header.subarray(0, length)), { kind: 'incomplete' }, `${length} bytes`)
    }
  })

  test(`${name}: no changed byte makes the reader throw or goes unnoticed`, (t) => {
    const meant = readProxy(header)
    for (let at = 0; at < header.length; at++) {
      for (let value = 0; value < 256; value++) {
        const changed = Uint8Array.from(header)
        changed[at] = value
        if (value !== header[at]) t.notDeepEqual(readProxy(changed), meant, `byte ${at} set to ${value}`)
      }
    }
  })
}
