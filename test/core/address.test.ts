import test from 'ava'
import fc from 'fast-check'
import { formatAddress, formatIp, joinHostPort, parseIp, socketAddress } from '../../src/core/address.ts'

function canonical(text: string): string | undefined {
  const parsed = parseIp(text)
  return parsed && formatIp(parsed)
}

/** RFC 5952: the text on the left must be printed as the one on the right. */
const vectors: readonly (readonly [written: string, printed: string, clause: string])[] = [
  ['2001:0db8::0001', '2001:db8::1', '4.1 leading zeros'],
  ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1', '4.2.1 as short as possible'],
  ['2001:db8::0:1', '2001:db8::1', '4.2.1 as short as possible'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1', '4.2.2 a single zero group stays'],
  ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1', '4.2.2 a single zero group stays'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1', '4.2.3 the longest run'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1', '4.2.3 the first of equal runs'],
  ['2001:DB8::ABCD', '2001:db8::abcd', '4.3 lower case'],
  ['::', '::', 'all zero'],
  ['0:0:0:0:0:0:0:1', '::1', 'at the start'],
  ['fe80:0:0:0:0:0:0:0', 'fe80::', 'at the end'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0', 'a run of one at the end'],
  ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8', 'a run of one at the start'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221', 'an IPv4 tail that is not v4-mapped'],
]

for (const [written, printed, clause] of vectors) {
  test(`${written} is printed as ${printed} (${clause})`, (t) => {
    t.is(canonical(written), printed)
  })
}

const mapped = ['::ffff:192.0.2.1', '::ffff:c000:201', '0:0:0:0:0:FFFF:192.0.2.1', '::ffff:192.0.2.1%eth0']
for (const written of mapped) {
  test(`the v4-mapped ${written} is the IPv4 address`, (t) => {
    t.deepEqual(parseIp(written), { family: 4, bytes: Uint8Array.of(192, 0, 2, 1) })
  })
}

const notMapped = ['::192.0.2.1', '::ffff:0:192.0.2.1', '1::ffff:192.0.2.1', '::fffe:c000:201']
for (const written of notMapped) {
  test(`${written} is not v4-mapped and stays IPv6`, (t) => {
    t.is(parseIp(written)?.family, 6)
  })
}

const refused = [
  '',
  'localhost',
  '1.2.3',
  '1.2.3.4.5',
  '256.0.0.1',
  '01.2.3.4',
  '1.2.3.4 ',
  '1.2.3.4:80',
  '1.2.3.4%eth0',
  '[::1]',
  ':::',
  '1::2::3',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '12345::',
  'g::',
  '::ffff:1.2.3.256',
  '::1%',
  '::1%a/b',
]
for (const written of refused) {
  test(`"${written}" is not a literal address`, (t) => {
    t.is(parseIp(written), undefined)
    t.is(socketAddress(written, 80), undefined)
  })
}

test('a zone is dropped', (t) => {
  t.is(canonical('fe80::1%eth0'), 'fe80::1')
})

test('an IPv4 address survives print and parse', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
      t.deepEqual(parseIp(formatIp({ family: 4, bytes })), { family: 4, bytes })
    }),
  )
})

test('an IPv6 address survives print and parse, and is printed as a URL prints it', (t) => {
  // Many zero groups, so that runs of every length and place occur.
  const word = fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff))
  fc.assert(
    fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), (words) => {
      const bytes = Uint8Array.from(words.flatMap((each) => [each >> 8, each & 0xff]))
      const printed = formatIp({ family: 6, bytes })
      t.is(new URL(`http://[${printed}]/`).hostname, `[${printed}]`)
      const isMapped = words.slice(0, 5).every((each) => each === 0) && words[5] === 0xffff
      t.deepEqual(parseIp(printed), isMapped ? { family: 4, bytes: bytes.slice(12) } : { family: 6, bytes })
    }),
    { examples: [[[0, 0, 0, 0, 0, 0xffff, 0xc000, 0x201]]] },
  )
})

test('no text makes the parser throw', (t) => {
  const near = fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:.%x['), maxLength: 45 })
  fc.assert(
    fc.property(fc.oneof(near, fc.string()), (text) => {
      const parsed = parseIp(text)
      t.true(parsed === undefined || parsed.bytes.length === (parsed.family === 4 ? 4 : 16))
    }),
  )
})

test('an address and its port are printed with brackets around IPv6 only', (t) => {
  const printed = ['10.0.0.5', '2001:db8::5', '::ffff:10.0.0.5'].map((ip) => {
    const parsed = socketAddress(ip, 9443)
    return parsed && formatAddress(parsed)
  })
  t.deepEqual(printed, ['10.0.0.5:9443', '[2001:db8::5]:9443', '10.0.0.5:9443'])
})

test('a host and a port are joined with brackets around a literal IPv6 only', (t) => {
  t.is(joinHostPort('node-2.internal', 9443), 'node-2.internal:9443')
  t.is(joinHostPort('10.0.0.5', 80), '10.0.0.5:80')
  t.is(joinHostPort('::1', 80), '[::1]:80')
})
