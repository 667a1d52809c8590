import { BlockList } from 'node:net'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import test from 'ava'
import fc from 'fast-check'
import { formatIp, parseIp, unmapped } from '../../src/core/address.ts'
import { type Cidr, formatCidr, isLoose, parseCidr } from '../../src/core/cidr.ts'
import { compileRanges, covers, type Ranges, rangeCount } from '../../src/core/ranges.ts'

function cidr(text: string): Cidr {
  const parsed = parseCidr(text)
  if (parsed.kind === 'bad') throw new Error(`${text} ${parsed.message}`)
  return parsed.cidr
}

function ranges(...texts: readonly string[]): Ranges {
  return compileRanges(texts.map(cidr))
}

function has(list: Ranges, ip: string): boolean {
  const address = parseIp(ip)
  if (address === undefined) throw new Error(ip)
  return covers(list, address)
}

test('a range has its first and its last address, and neither neighbour', (t) => {
  const list = ranges('192.0.2.64/26', '2001:db8:1::/48')
  t.deepEqual(
    ['192.0.2.63', '192.0.2.64', '192.0.2.127', '192.0.2.128'].map((ip) => has(list, ip)),
    [false, true, true, false],
  )
  const around = [
    '2001:db8:0:ffff:ffff:ffff:ffff:ffff',
    '2001:db8:1::',
    '2001:db8:1:ffff:ffff:ffff:ffff:ffff',
    '2001:db8:2::',
  ]
  t.deepEqual(
    around.map((ip) => has(list, ip)),
    [false, true, true, false],
  )
})

test('all of a family is all of that family, and nothing of the other', (t) => {
  for (const ip of ['0.0.0.0', '255.255.255.255', '192.0.2.1']) {
    t.true(has(ranges('0.0.0.0/0'), ip))
    t.false(has(ranges('::/0'), ip))
  }
  for (const ip of ['::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db8::1']) {
    t.true(has(ranges('::/0'), ip))
    t.false(has(ranges('0.0.0.0/0'), ip))
  }
})

test('no range has no address', (t) => {
  t.false(has(ranges(), '192.0.2.1'))
  t.false(has(ranges(), '::1'))
  t.is(rangeCount(ranges()), 0)
})

test('::ffff:192.0.2.1 from the wire meets 192.0.2.0/24, and a v4-mapped range is an IPv4 one', (t) => {
  const mapped = unmapped(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1]))
  t.true(covers(ranges('192.0.2.0/24'), mapped))
  t.true(covers(ranges('::ffff:192.0.2.0/120'), mapped))
  t.is(formatCidr(cidr('::ffff:192.0.2.0/120')), '192.0.2.0/24')
  t.is(formatCidr(cidr('::ffff:0:0/96')), '0.0.0.0/0')
  t.true(has(ranges('::ffff:0:0/96'), '192.0.2.1'))
})

test('ranges that overlap or touch are one, and those with an address between them are two', (t) => {
  t.is(rangeCount(ranges('10.0.0.0/8', '10.1.0.0/16', '10.0.0.0/8', '10.255.255.255')), 1)
  t.is(rangeCount(ranges('10.0.0.0/25', '10.0.0.128/25')), 1)
  t.is(rangeCount(ranges('10.0.0.0/25', '10.0.0.129/32')), 2)
  t.is(rangeCount(ranges('255.255.255.255', '255.255.255.254', '0.0.0.0')), 2)
  t.is(rangeCount(ranges('2001:db8::/33', '2001:db8:8000::/33')), 1)
  t.is(rangeCount(ranges('2001:db8::ffff:ffff', '2001:db8::1:0:0')), 1)
  t.is(rangeCount(ranges('2001:db8::ffff:ffff', '2001:db8::1:0:1')), 2)
  t.is(rangeCount(ranges('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '::')), 2)
})

test('bits behind the prefix count for nothing, and are noticed', (t) => {
  t.true(has(ranges('10.1.2.3/8'), '10.255.0.1'))
  t.is(formatCidr(cidr('10.1.2.3/8')), '10.0.0.0/8')
  t.is(formatCidr(cidr('2001:db8::1/33')), '2001:db8::/33')
  t.deepEqual(
    [
      '10.1.2.3/8',
      '10.0.0.0/8',
      '10.0.0.1',
      '0.0.0.1/0',
      '0.0.0.0/0',
      '2001:db8::1/127',
      '2001:db8::/127',
    ].map((text) => isLoose(cidr(text))),
    [true, false, false, true, false, true, false],
  )
})

const refused: Readonly<Record<string, string>> = {
  '': 'must be an address or a range',
  localhost: 'must be an address or a range',
  '10.0.0': 'must be an address or a range',
  '10.0.0.0.0/8': 'must be an address or a range',
  '10.0.0.01': 'must be an address or a range',
  '10.0.0.1:80': 'must be an address or a range',
  '[::1]': 'must be an address or a range',
  'fe80::1%eth0': 'must be an address or a range',
  'fe80::%eth0/64': 'must be an address or a range',
  '10.0.0.1-10.0.0.9': 'must be an address or a range',
  '/8': 'must be an address or a range',
  '10.0.0.0/': 'has a bad prefix',
  '10.0.0.0/33': 'has a bad prefix',
  '10.0.0.0/08': 'has a bad prefix',
  '10.0.0.0/-1': 'has a bad prefix',
  '10.0.0.0/8/8': 'has a bad prefix',
  '10.0.0.0/255.0.0.0': 'has a bad prefix',
  '10.0.0.0/ 8': 'has a bad prefix',
  '::/129': 'has a bad prefix',
  '::ffff:0:0/95': 'covers more than IPv4',
}
for (const [text, message] of Object.entries(refused)) {
  test(`${JSON.stringify(text)} ${message}`, (t) => {
    const parsed = parseCidr(text)
    t.is(parsed.kind === 'bad' ? parsed.message : 'taken', message)
  })
}

/** Few addresses, so that ranges meet. */
const small4 = fc
  .tuple(fc.nat(7), fc.integer({ min: 24, max: 32 }))
  .map(([low, prefix]) => `10.0.0.${low * 32}/${prefix}`)
const small6 = fc
  .tuple(fc.nat(255), fc.nat(1), fc.integer({ min: 90, max: 128 }))
  .map(([low, high, prefix]) => `2001:db8::${high}:${low.toString(16)}:${low.toString(16)}/${prefix}`)
const any4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([ip, prefix]) => `${ip}/${prefix}`)

test('a list covers what one of its ranges covers, as Node sees it', (t) => {
  const ips = fc.oneof(
    fc.nat(255).map((low) => `10.0.0.${low}`),
    fc.ipV4(),
    fc
      .tuple(fc.nat(1), fc.nat(255))
      .map(([high, low]) => `2001:db8::${high}:${low.toString(16)}:${low.toString(16)}`),
  )
  fc.assert(
    fc.property(
      fc.array(fc.oneof(small4, small6, any4), { maxLength: 12 }),
      fc.array(ips),
      (texts, asked) => {
        const list = ranges(...texts)
        const node = new BlockList()
        for (const text of texts) {
          const { family, bytes, prefix } = cidr(text)
          node.addSubnet(formatIp({ family, bytes }), prefix, family === 4 ? 'ipv4' : 'ipv6')
        }
        for (const ip of asked) t.is(has(list, ip), node.check(ip, ip.includes(':') ? 'ipv6' : 'ipv4'), ip)
      },
    ),
    { numRuns: 300 },
  )
})

test('a compiled list crosses threads without a copy', (t) => {
  const list = ranges('10.0.0.0/8', '2001:db8::/32')
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(list)
  const received: { readonly message: Ranges } | undefined = receiveMessageOnPort(port2)
  port1.close()
  t.true(received !== undefined && has(received.message, '10.1.2.3') && has(received.message, '2001:db8::1'))
  t.true(received?.message.v4.buffer instanceof SharedArrayBuffer)
})
