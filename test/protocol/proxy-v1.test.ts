import test from 'ava'
import fc from 'fast-check'
import { proxyV1, proxyV1Unknown } from '../../src/protocol/proxy-v1.ts'
import { readProxy } from '../helpers/read-proxy.ts'
import { address, anyAddress, asReceived, ends } from './proxy-fixture.ts'

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

test("the specification's example line", (t) => {
  const line = proxyV1(address('192.168.0.1', 56324), address('192.168.0.11', 443))
  t.is(text(line), 'PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n')
})

test("the specification's longest IPv4 line has 56 bytes", (t) => {
  const line = proxyV1(address('255.255.255.255', 65535), address('255.255.255.255', 65535))
  t.is(text(line), 'PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n')
  t.is(line.length, 56)
})

test("the specification's longest IPv6 line has 104 bytes", (t) => {
  const all = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'
  const line = proxyV1(address(all, 65535), address(all, 65535))
  t.is(text(line), `PROXY TCP6 ${all} ${all} 65535 65535\r\n`)
  t.is(line.length, 104)
})

test('IPv6 addresses are in canonical form', (t) => {
  const line = proxyV1(address('2001:0DB8:0:0::5', 1), address('::1', 0))
  t.is(text(line), 'PROXY TCP6 2001:db8::5 ::1 1 0\r\n')
})

test('ends of two families become IPv6, the IPv4 one v4-mapped in hexadecimal', (t) => {
  const v4 = address('192.0.2.1', 51234)
  const v6 = address('2001:db8::443', 443)
  t.is(text(proxyV1(v4, v6)), 'PROXY TCP6 ::ffff:c000:201 2001:db8::443 51234 443\r\n')
  t.is(text(proxyV1(v6, v4)), 'PROXY TCP6 2001:db8::443 ::ffff:c000:201 443 51234\r\n')
})

test("a connection of our own is UNKNOWN in the specification's short form", (t) => {
  t.is(text(proxyV1Unknown()), 'PROXY UNKNOWN\r\n')
  t.deepEqual(readProxy(proxyV1Unknown()), {
    kind: 'found',
    version: 1,
    source: null,
    destination: null,
    uniqueId: null,
    length: 15,
  })
})

test('every header is read back as it was meant, and leaves the bytes behind it alone', (t) => {
  fc.assert(
    fc.property(anyAddress, anyAddress, fc.uint8Array(), (client, local, payload) => {
      const header = proxyV1(client, local)
      t.true(header.length <= 107)
      t.deepEqual(readProxy(Buffer.concat([header, payload])), {
        kind: 'found',
        version: 1,
        source: asReceived(client, local),
        destination: asReceived(local, client),
        uniqueId: null,
        length: header.length,
      })
    }),
  )
})

for (const [name, [client, local]] of Object.entries(ends)) {
  const header = proxyV1(client, local)

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
        // Hexadecimal digits mean the same in either case.
        if (text(changed).toLowerCase() === text(header).toLowerCase() && at > 10) continue
        if (value !== header[at]) t.notDeepEqual(readProxy(changed), meant, `byte ${at} set to ${value}`)
      }
    }
  })
}
