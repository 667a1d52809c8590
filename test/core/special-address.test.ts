import test from 'ava'
import { parseIp } from '../../src/core/address.ts'
import { type Special, specialOf } from '../../src/core/special-address.ts'

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
  '192.0.2.1': null,
  '240.0.0.1': 'reserved',
  '255.255.255.254': 'reserved',
  '100.100.100.200': 'a metadata service',
  '100.100.100.201': null,
  '168.63.129.16': 'a metadata service',
  '192.0.0.192': 'a metadata service',
  '255.255.255.255': 'broadcast',
  '10.0.0.5': null,
  '192.168.1.1': null,
  '100.64.0.1': null,
  '::': 'unspecified',
  '::1': 'loopback',
  '::2': 'unspecified',
  '::7f00:1': 'loopback',
  '::a9fe:a9fe': 'link-local',
  '::10.0.0.5': null,
  '::ffff:0:127.0.0.1': 'loopback',
  '64:ff9b::127.0.0.1': 'loopback',
  '64:ff9b::169.254.169.254': 'link-local',
  '64:ff9b::': 'unspecified',
  '64:ff9b::10.0.0.5': null,
  '64:ff9b:1::127.0.0.1': 'loopback',
  '64:ff9b:1:7f00:0:100::': 'loopback',
  '64:ff9b:1:7f:0:1::': 'loopback',
  '64:ff9b:1:0:7f:0:100:0': 'loopback',
  '64:ff9b:1::a9fe:a9fe': 'link-local',
  '64:ff9b:1:abcd:ef:1200:a00:5': null,
  '64:ff9b:1:a00:0:500::': null,
  '64:ff9b:1::': 'unspecified',
  '64:ff9b:2::7f00:1': null,
  '2002:7f00:1::1': 'loopback',
  '2002:a9fe:a9fe::': 'link-local',
  '2002:6440:1::1': null,
  '2002:6464:64c8::': 'a metadata service',
  '::ffff:127.0.0.1': 'loopback',
  '::ffff:10.0.0.5': null,
  'fe80::1': 'link-local',
  'febf:ffff::1': 'link-local',
  'fe7f::1': null,
  'fec0::1': null,
  'ff02::1': 'multicast',
  'fd00::1': null,
  'fd00:ec2::254': 'a metadata service',
  'fd00:ec2::253': null,
  'fd20:ce::254': 'a metadata service',
  'fd00:42::42': 'a metadata service',
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
