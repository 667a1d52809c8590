import test from 'ava'
import { parseNft } from '../../src/doctor/node/nft.ts'
import type { Chain } from '../../src/doctor/node/rules.ts'
import { obstacles, type Packet } from '../../src/doctor/trace.ts'
import { saved } from './healthy.ts'

const packet: Packet = {
  from: null,
  host: '10.0.0.2',
  family: 4,
  port: 80,
  toLocal: true,
  interfaces: ['eth0', 'eth1'],
}

/** `drop sure`, `redirect maybe`; empty: it passes. */
function fate(chains: readonly Chain[], some: Partial<Packet> = {}): string {
  return obstacles(chains, { ...packet, ...some }, 'input')
    .map(({ verdict, sure }) => `${verdict} ${sure ? 'sure' : 'maybe'}`)
    .join(', ')
}

const filter = (policy: string, ...rules: readonly string[]): readonly Chain[] =>
  saved('filter', [`:INPUT ${policy} [0:0]`, ':mine - [0:0]', ':more - [0:0]', ...rules].join('\n'))

const cases: readonly (readonly [claim: string, policy: string, rules: readonly string[], fate: string])[] = [
  ['an empty chain lets pass', 'ACCEPT', [], ''],
  ['a policy drops', 'DROP', [], 'drop sure'],
  ['an accept before it saves', 'DROP', ['-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT'], ''],
  ['an accept of somebody saves somebody', 'DROP', ['-A INPUT -s 10.0.0.0/8 -j ACCEPT'], 'drop maybe'],
  ['an accept of the loopback does not', 'DROP', ['-A INPUT -i lo -j ACCEPT'], 'drop sure'],
  [
    'nor one of established connections',
    'DROP',
    ['-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'],
    'drop sure',
  ],
  ['an accept by one of two ways saves some', 'DROP', ['-A INPUT -i eth0 -j ACCEPT'], 'drop maybe'],
  ['an accept by all ways saves', 'DROP', ['-A INPUT -i eth+ -j ACCEPT'], ''],
  ['another port is not meant', 'ACCEPT', ['-A INPUT -p tcp -m tcp --dport 8080 -j DROP'], ''],
  ['nor another protocol', 'ACCEPT', ['-A INPUT -p udp -m udp --dport 80 -j DROP'], ''],
  ['nor another address', 'ACCEPT', ['-A INPUT -d 10.0.0.3/32 -j DROP'], ''],
  ['a network is', 'ACCEPT', ['-A INPUT -d 10.0.0.0/255.255.255.0 -j DROP'], 'drop sure'],
  [
    'a negation turns it round',
    'ACCEPT',
    ['-A INPUT ! -d 10.0.0.3/32 -p tcp -m multiport ! --dports 22,443 -j DROP'],
    'drop sure',
  ],
  ['all but this port', 'ACCEPT', ['-A INPUT -p tcp -m multiport ! --dports 22,80:90 -j DROP'], ''],
  ['what nobody knows is maybe', 'ACCEPT', ['-A INPUT -m set --match-set bad src -j DROP'], 'drop maybe'],
  [
    'a maybe before a sure one is sure',
    'ACCEPT',
    ['-A INPUT -m statistic --mode random --probability 0.5 -j DROP', '-A INPUT -j REJECT'],
    'drop sure',
  ],
  ['a mark that nobody has set', 'ACCEPT', ['-A INPUT -m mark --mark 0x8000/0x8000 -j DROP'], ''],
  ['invalid packets', 'ACCEPT', ['-A INPUT -m conntrack --ctstate INVALID -j DROP'], ''],
  ['new connections without SYN', 'ACCEPT', ['-A INPUT -p tcp ! --syn -m state --state NEW -j DROP'], ''],
  ['a multicast address', 'ACCEPT', ['-A INPUT -m addrtype --dst-type BROADCAST,MULTICAST -j DROP'], ''],
  [
    'packets from elsewhere to a loopback address, as kube-proxy has it',
    'ACCEPT',
    ['-A INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP'],
    '',
  ],
  ['a jump comes back', 'DROP', ['-A INPUT -j mine', '-A INPUT -j ACCEPT', '-A mine -p udp -j DROP'], ''],
  ['a return comes back', 'ACCEPT', ['-A INPUT -j mine', '-A mine -p tcp -j RETURN', '-A mine -j DROP'], ''],
  [
    'a goto does not',
    'DROP',
    ['-A INPUT -g mine', '-A INPUT -j ACCEPT', '-A mine -p udp -j ACCEPT'],
    'drop sure',
  ],
  [
    'a jump decides',
    'ACCEPT',
    ['-A INPUT -j mine', '-A INPUT -j ACCEPT', '-A mine -j more', '-A more -j REJECT'],
    'reject sure',
  ],
  ['a chain that calls itself ends', 'ACCEPT', ['-A INPUT -j mine', '-A mine -j mine'], ''],
  [
    'a log is gone through',
    'ACCEPT',
    ['-A INPUT -j LOG --log-prefix "all of it: "', '-A INPUT -j DROP'],
    'drop sure',
  ],
]

for (const [claim, policy, rules, expected] of cases) {
  test(claim, (t) => {
    t.is(fate(filter(policy, ...rules)), expected)
  })
}

test('a packet of our own goes out by an interface and comes from this host', (t) => {
  const own: Partial<Packet> = { interfaces: [], host: '127.0.0.2', port: 9080 }
  t.is(fate(filter('ACCEPT', '-A INPUT -o lo -j DROP'), own), 'drop sure')
  t.is(
    fate(filter('ACCEPT', '-A INPUT -o eth0 -j DROP'), { ...own, host: '10.0.0.9', toLocal: false }),
    'drop maybe',
  )
})

test('a packet of our own to a loopback address comes from one', (t) => {
  const rule =
    '-A INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP'
  const own: Partial<Packet> = { interfaces: ['lo'], host: '127.0.0.2', port: 9080, from: '127.0.0.1' }
  t.is(fate(filter('ACCEPT', rule), own), '')
})

test('a firewall as firewalld writes it', (t) => {
  const rule = (chain: string, ...expr: readonly object[]) => ({
    rule: { family: 'inet', table: 'firewalld', chain, handle: 1, expr },
  })
  const match = (left: object, right: unknown) => ({ match: { op: '==', left, right } })
  const chain = (name: string, hook: object) => ({
    chain: { family: 'inet', table: 'firewalld', name, ...hook },
  })
  const nftables = (opened: number) => [
    chain('filter_INPUT', { type: 'filter', hook: 'input', prio: 10, policy: 'accept' }),
    chain('filter_IN_public', {}),
    rule('filter_INPUT', match({ ct: { key: 'state' } }, { set: ['established', 'related'] }), {
      accept: null,
    }),
    rule('filter_INPUT', match({ ct: { key: 'status' } }, 'dnat'), { accept: null }),
    rule('filter_INPUT', match({ meta: { key: 'iifname' } }, 'lo'), { accept: null }),
    rule('filter_INPUT', match({ ct: { key: 'state' } }, 'invalid'), { drop: null }),
    rule('filter_INPUT', match({ meta: { key: 'iifname' } }, { set: ['eth0', 'eth1'] }), {
      goto: { target: 'filter_IN_public' },
    }),
    rule('filter_IN_public', match({ payload: { protocol: 'tcp', field: 'dport' } }, opened), {
      accept: null,
    }),
    rule('filter_IN_public', { reject: { type: 'icmpx', expr: 'admin-prohibited' } }),
  ]
  t.is(fate(parseNft(JSON.stringify({ nftables: nftables(80) }))), '')
  t.is(fate(parseNft(JSON.stringify({ nftables: nftables(22) }))), 'reject sure')
})

test('a redirect to the port that is asked for is none', (t) => {
  const chains = saved('nat', ':INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j REDIRECT --to-ports 80')
  t.is(fate(chains), '')
})

test('every base chain of a hook is asked, in the order of priorities', (t) => {
  const chain = (name: string, prio: number, verdict: string) => [
    { chain: { family: 'inet', table: 'x', name, type: 'filter', hook: 'input', prio, policy: 'accept' } },
    { rule: { family: 'inet', table: 'x', chain: name, handle: 1, expr: [{ [verdict]: null }] } },
  ]
  const text = JSON.stringify({ nftables: [...chain('late', 10, 'reject'), ...chain('first', -10, 'drop')] })
  t.is(fate(parseNft(text)), 'drop sure, reject sure')
})

test('chains of the other family are not asked', (t) => {
  const chains = saved('filter', ':INPUT DROP [0:0]', 'ip6tables-nft')
  t.is(fate(chains), '')
  t.is(fate(chains, { host: '2001:db8::2', family: 6 }), 'drop sure')
})
