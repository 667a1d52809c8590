import test from 'ava'
import { type Special, specialOf } from '../../src/control/discovery/special-address.ts'
import { parseIp } from '../../src/core/address.ts'

const table: Readonly<Record<string, Special | null>> = {
  '0.0.0.0': 'unspecified',
  '0.1.2.3': 'unspecified',
  '127.0.0.1': 'loopback',
  '127.255.255.254': 'loopback',
  '126.255.255.255': null,
  '128.0.0.0': null,
  '169.254.169.254': 'link-local',
  '169.253.255.255': null,
  '169.255.0.0': null,
  '223.255.255.255': null,
  '224.0.0.1': 'multicast',
  '239.255.255.255': 'multicast',
  '240.0.0.1': null,
  '255.255.255.255': 'broadcast',
  '10.0.0.5': null,
  '192.168.1.1': null,
  '100.64.0.1': null,
  '::': 'unspecified',
  '::1': 'loopback',
  '::2': null,
  '::ffff:127.0.0.1': 'loopback',
  '::ffff:10.0.0.5': null,
  'fe80::1': 'link-local',
  'febf:ffff::1': 'link-local',
  'fe7f::1': null,
  'fec0::1': null,
  'ff02::1': 'multicast',
  'fd00::1': null,
  '2001:db8::5': null,
  '1::': null,
}

for (const [ip, expected] of Object.entries(table)) {
  test(`${ip} is ${expected ?? 'an address like any other'}`, (t) => {
    const address = parseIp(ip)
    if (address === undefined) return t.fail()
    t.is(specialOf(address), expected)
  })
}

for (const [last, expected] of [
  [[127, 0, 0, 1], 'loopback'],
  [[169, 254, 169, 254], 'link-local'],
  [[0, 0, 0, 0], 'unspecified'],
  [[10, 0, 0, 5], null],
] as const) {
  test(`the IPv4-mapped bytes of ${last.join('.')} are ${expected ?? 'not special'}`, (t) => {
    const bytes = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...last])
    t.is(specialOf({ family: 6, bytes }), expected)
  })
}
