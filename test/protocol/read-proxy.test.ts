import test from 'ava'
import fc from 'fast-check'
import { readProxy } from '../helpers/read-proxy.ts'

const signature = '0d0a0d0a000d0a515549540a'
const addresses = 'c0000201c000020200010002'

/** Other tests trust this reader, so what it must refuse is tested here. */
const invalidLines: readonly string[] = [
  'GET / HTTP/1.1\r\n',
  'PROXY\tTCP4 192.0.2.1 192.0.2.2 1 2\r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r \n',
  'PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n',
  'PROXY TCP4 192.0.02.1 192.0.2.2 1 2\r\n',
  'PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n',
  'PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n',
  'PROXY TCP4 ::1 ::1 1 2\r\n',
  'PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n',
  'PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n',
  'PROXY TCP6 1::2::3 ::1 1 2\r\n',
  'PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n',
  'PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n',
  'PROXY TCP6 1::2:3:4:5:6:7:8 ::1 1 2\r\n',
  'PROXY TCP6 12345:: ::1 1 2\r\n',
  'PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n',
  'proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n',
  `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`,
]
for (const line of invalidLines) {
  test(`${JSON.stringify(line)} is invalid`, (t) => {
    t.is(readProxy(Buffer.from(line)).kind, 'invalid')
  })
}

const invalidBinary: Readonly<Record<string, string>> = {
  'version 1 in the binary header': `${signature}1111000c${addresses}`,
  'an unassigned command': `${signature}2211000c${addresses}`,
  UDP: `${signature}2112000c${addresses}`,
  'an unassigned family': `${signature}2141000c${addresses}`,
  'LOCAL with a family': `${signature}2011000c${addresses}`,
  'a length shorter than the addresses': `${signature}2111000b${addresses}`,
  'a TLV without its length': `${signature}2111000e${addresses}0500`,
  'a TLV that exceeds the header': `${signature}21110010${addresses}05000261`,
  'two unique ids': `${signature}21110014${addresses}0500016105000162`,
  'a unique id of 129 bytes': `${signature}21110090${addresses}050081${'61'.repeat(129)}`,
}
for (const [name, hex] of Object.entries(invalidBinary)) {
  test(`${name} is invalid`, (t) => {
    t.is(readProxy(Buffer.from(hex, 'hex')).kind, 'invalid')
  })
}

test('TLVs of other types are skipped', (t) => {
  const read = readProxy(
    Buffer.from(`${signature}21110017${addresses}040000${'e00001ff'}${'05000161'}`, 'hex'),
  )
  t.is(read.kind === 'found' ? read.uniqueId : read.kind, 'a')
})

test('LOCAL may carry bytes that are skipped', (t) => {
  const read = readProxy(Buffer.from(`${signature}20000003040000ff`, 'hex'))
  t.is(read.kind === 'found' ? read.length : read.kind, 19)
})

test('the rest of an UNKNOWN line is ignored, up to 107 bytes', (t) => {
  const line = `PROXY UNKNOWN ${'x'.repeat(91)}\r\n`
  const read = readProxy(Buffer.from(line))
  t.is(read.kind === 'found' ? read.length : read.kind, 107)
})

test('a line that has no end after 107 bytes is invalid before more arrive', (t) => {
  t.is(readProxy(Buffer.from(`PROXY UNKNOWN ${'x'.repeat(92)}`)).kind, 'incomplete')
  t.is(readProxy(Buffer.from(`PROXY UNKNOWN ${'x'.repeat(93)}`)).kind, 'invalid')
})

test('no bytes make the reader throw', (t) => {
  const after = (start: Buffer) =>
    fc.uint8Array({ maxLength: 200 }).map((rest) => Buffer.concat([start, rest]))
  const starts = [Buffer.alloc(0), Buffer.from('PROXY TCP'), Buffer.from(`${signature}21`, 'hex')].map(after)
  fc.assert(
    fc.property(fc.oneof(...starts), (bytes) =>
      ['found', 'incomplete', 'invalid'].includes(readProxy(bytes).kind),
    ),
  )
  t.pass()
})
