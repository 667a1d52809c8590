import test from 'ava'
import type { Locality } from '../../../src/config/config.ts'
import { formatAddress } from '../../../src/core/address.ts'
import { endpointsOf, portNames } from '../../../src/discovery/kubernetes/endpoint-slice.ts'
import { Received } from '../../../src/discovery/kubernetes/received.ts'
import { readSlice, readSliceList } from '../../../src/discovery/kubernetes/slice-shape.ts'

/** As on the wire; `conditions` and the rest as a row has them. */
interface Row {
  readonly name: string
  readonly slices: readonly object[]
  readonly locality?: Locality
  readonly node?: string | null
  readonly zone?: string | null
  readonly port?: string
  /** Addresses, those of priority 1 with a `+`. */
  readonly expect: readonly string[]
}

const http = [{ name: 'http', port: 80, protocol: 'TCP' }]
let serial = 0
const v4 = (endpoints: readonly object[], changes: object = {}) => ({
  metadata: { name: `kong-${serial++}` },
  addressType: 'IPv4',
  ports: http,
  endpoints,
  ...changes,
})
const at = (ip: string, changes: object = {}) => ({ addresses: [ip], ...changes })
const ready = { conditions: { ready: true, serving: true, terminating: false } }
const starting = { conditions: { ready: false, serving: false, terminating: false } }
const leaving = { conditions: { ready: false, serving: true, terminating: true } }
const gone = { conditions: { ready: false, serving: false, terminating: true } }
const onA = { nodeName: 'node-a', zone: 'zone-1' }
const onB = { nodeName: 'node-b', zone: 'zone-1' }
const onC = { nodeName: 'node-c', zone: 'zone-2' }
const forNodes = (...names: string[]) => ({ hints: { forNodes: names.map((name) => ({ name })) } })
const forZones = (...names: string[]) => ({ hints: { forZones: names.map((name) => ({ name })) } })

const spread = [at('10.0.0.1', onA), at('10.0.0.2', onB), at('10.0.0.3', onC)]

const table: readonly Row[] = [
  { name: 'nothing', slices: [], expect: [] },
  { name: 'no conditions at all is ready', slices: [v4([at('10.0.0.1')])], expect: ['10.0.0.1:80'] },
  {
    name: 'null conditions are their defaults',
    slices: [v4([at('10.0.0.1', { conditions: { ready: null, serving: null, terminating: null } })])],
    expect: ['10.0.0.1:80'],
  },
  {
    name: 'one that is not ready is not used',
    slices: [v4([at('10.0.0.1', ready), at('10.0.0.2', starting)])],
    expect: ['10.0.0.1:80'],
  },
  { name: 'none is ready and none leaves: none', slices: [v4([at('10.0.0.1', starting)])], expect: [] },
  {
    name: 'one that leaves is not used while one is ready',
    slices: [v4([at('10.0.0.1', leaving), at('10.0.0.2', ready)])],
    expect: ['10.0.0.2:80'],
  },
  {
    name: 'those that leave and still serve are used when none is ready',
    slices: [v4([at('10.0.0.1', leaving), at('10.0.0.2', gone), at('10.0.0.3', starting)])],
    expect: ['10.0.0.1:80'],
  },
  {
    name: 'one that leaves without a word about serving still serves',
    slices: [v4([at('10.0.0.1', { conditions: { ready: false, terminating: true } })])],
    expect: ['10.0.0.1:80'],
  },
  {
    name: 'ready wins over everything: publishNotReadyAddresses makes them so',
    slices: [v4([at('10.0.0.1', { conditions: { ready: true, serving: false, terminating: true } })])],
    expect: ['10.0.0.1:80'],
  },
  {
    name: 'several slices are one set, sorted',
    slices: [v4([at('10.0.0.2')]), v4([at('10.0.0.1')])],
    expect: ['10.0.0.1:80', '10.0.0.2:80'],
  },
  {
    name: 'dual stack: both families',
    slices: [v4([at('10.0.0.1')]), v4([at('2001:DB8::1')], { addressType: 'IPv6' })],
    expect: ['10.0.0.1:80', '[2001:db8::1]:80'],
  },
  {
    name: 'names are not addresses',
    slices: [v4([at('kong.example.com')], { addressType: 'FQDN' })],
    expect: [],
  },
  {
    name: 'an address of the other family in a slice is not used',
    slices: [v4([at('2001:db8::1'), at('10.0.0.1'), at('nonsense')])],
    expect: ['10.0.0.1:80'],
  },
  {
    name: 'only the first address counts',
    slices: [v4([{ addresses: ['10.0.0.1', '10.0.0.9'] }])],
    expect: ['10.0.0.1:80'],
  },
  {
    name: 'an endpoint without an address is none',
    slices: [v4([{ addresses: [] }, { addresses: null }])],
    expect: [],
  },
  {
    name: 'null endpoints and ports are none',
    slices: [v4([], { endpoints: null, ports: null })],
    expect: [],
  },
  {
    name: 'an address in two slices is one endpoint',
    slices: [v4([at('10.0.0.1')]), v4([at('10.0.0.1')])],
    expect: ['10.0.0.1:80'],
  },
  {
    name: 'of two with one address the ready one counts, whichever comes first',
    slices: [
      v4([at('10.0.0.1', starting), at('10.0.0.2', ready)]),
      v4([at('10.0.0.1', ready), at('10.0.0.2', gone)]),
    ],
    expect: ['10.0.0.1:80', '10.0.0.2:80'],
  },
  {
    name: 'of two with one address the one on our node counts',
    slices: [v4([at('10.0.0.1', onB), at('10.0.0.1', onA)])],
    locality: 'node-only',
    expect: ['10.0.0.1:80'],
  },
  {
    name: 'two ports of one address are two endpoints',
    slices: [v4([at('10.0.0.1')]), v4([at('10.0.0.1')], { ports: [{ name: 'http', port: 81 }] })],
    expect: ['10.0.0.1:80', '10.0.0.1:81'],
  },
  {
    name: 'the port is found by name, and its number differs between slices',
    slices: [
      v4([at('10.0.0.1')], {
        ports: [
          { name: 'tls', port: 443 },
          { name: 'http', port: 8080, protocol: 'TCP' },
        ],
      }),
      v4([at('10.0.0.2')], { ports: [{ name: 'http', port: 9090 }] }),
    ],
    expect: ['10.0.0.1:8080', '10.0.0.2:9090'],
  },
  {
    name: 'a port without a name is the empty name',
    slices: [
      v4([at('10.0.0.1')], {
        ports: [
          { name: null, port: 80 },
          { name: '', port: 81 },
          { name: 'http', port: 1 },
        ],
      }),
    ],
    port: '',
    expect: ['10.0.0.1:80', '10.0.0.1:81'],
  },
  {
    name: 'UDP, SCTP, all ports and port 0 are not for us',
    slices: [
      v4([at('10.0.0.1')], {
        ports: [
          { name: 'http', port: 80, protocol: 'UDP' },
          { name: 'http', port: 81, protocol: 'SCTP' },
          { name: 'http', port: null },
          { name: 'http', port: 0 },
        ],
      }),
    ],
    expect: [],
  },
  {
    name: 'any: no hints, all alike',
    slices: [v4(spread)],
    expect: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'],
  },
  {
    name: 'any: hints for our zone come first, the rest stays for failover',
    slices: [v4([at('10.0.0.1', forZones('zone-2')), at('10.0.0.2', forZones('zone-1', 'zone-2'))])],
    expect: ['10.0.0.1:80+', '10.0.0.2:80'],
  },
  {
    name: 'any: hints for our node win over those for our zone',
    slices: [
      v4([
        at('10.0.0.1', { hints: { ...forNodes('node-a').hints, ...forZones('zone-2').hints } }),
        at('10.0.0.2', { hints: { ...forNodes('node-b').hints, ...forZones('zone-1').hints } }),
      ]),
    ],
    expect: ['10.0.0.1:80', '10.0.0.2:80+'],
  },
  {
    name: 'any: no hint is for our node, then those for our zone count',
    slices: [
      v4([
        at('10.0.0.1', { hints: { ...forNodes('node-c').hints, ...forZones('zone-1').hints } }),
        at('10.0.0.2', { hints: { ...forNodes('node-b').hints, ...forZones('zone-2').hints } }),
      ]),
    ],
    expect: ['10.0.0.1:80', '10.0.0.2:80+'],
  },
  {
    name: 'any: one ready endpoint without a hint, and hints do not count',
    slices: [v4([at('10.0.0.1', forZones('zone-1')), at('10.0.0.2')])],
    expect: ['10.0.0.1:80', '10.0.0.2:80'],
  },
  {
    name: 'any: one that is not ready needs no hint',
    slices: [
      v4([at('10.0.0.1', forZones('zone-1')), at('10.0.0.2', starting), at('10.0.0.3', forZones('zone-2'))]),
    ],
    expect: ['10.0.0.1:80', '10.0.0.3:80+'],
  },
  {
    name: 'any: hints, and none for our zone: all alike',
    slices: [v4([at('10.0.0.1', forZones('zone-2')), at('10.0.0.2', forZones('zone-3'))])],
    expect: ['10.0.0.1:80', '10.0.0.2:80'],
  },
  {
    name: 'any: hints, and our zone is not known: all alike',
    slices: [v4([at('10.0.0.1', forZones('zone-1')), at('10.0.0.2', forZones('zone-2'))])],
    zone: null,
    expect: ['10.0.0.1:80', '10.0.0.2:80'],
  },
  {
    name: 'any: among those that leave hints do not count',
    slices: [
      v4([
        at('10.0.0.1', { ...leaving, ...forZones('zone-2') }),
        at('10.0.0.2', { ...leaving, ...forZones('zone-1') }),
      ]),
    ],
    expect: ['10.0.0.1:80', '10.0.0.2:80'],
  },
  {
    name: 'prefer-node: ours first, the others stay for failover',
    slices: [v4(spread)],
    locality: 'prefer-node',
    expect: ['10.0.0.1:80', '10.0.0.2:80+', '10.0.0.3:80+'],
  },
  {
    name: 'prefer-node: ours is not ready, the others are used and not it',
    slices: [v4([at('10.0.0.1', { ...onA, ...leaving }), at('10.0.0.2', onB)])],
    locality: 'prefer-node',
    expect: ['10.0.0.2:80+'],
  },
  {
    name: 'prefer-node: hints do not count',
    slices: [
      v4([
        at('10.0.0.1', { ...onB, ...forNodes('node-a') }),
        at('10.0.0.2', { ...onA, ...forNodes('node-b') }),
      ]),
    ],
    locality: 'prefer-node',
    expect: ['10.0.0.1:80+', '10.0.0.2:80'],
  },
  {
    name: 'prefer-node: our node is not known, all alike',
    slices: [v4(spread)],
    locality: 'prefer-node',
    node: null,
    expect: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'],
  },
  {
    name: 'prefer-zone: ours first',
    slices: [v4(spread)],
    locality: 'prefer-zone',
    expect: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80+'],
  },
  {
    name: 'prefer-zone: our zone is not known, all alike',
    slices: [v4(spread)],
    locality: 'prefer-zone',
    zone: null,
    expect: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'],
  },
  { name: 'node-only: no other node', slices: [v4(spread)], locality: 'node-only', expect: ['10.0.0.1:80'] },
  {
    name: 'node-only: what leaves here is used, though others are ready elsewhere',
    slices: [v4([at('10.0.0.1', { ...onA, ...leaving }), at('10.0.0.2', onB)])],
    locality: 'node-only',
    expect: ['10.0.0.1:80'],
  },
  {
    name: 'node-only: an endpoint without a node is not on ours',
    slices: [v4([at('10.0.0.1')])],
    locality: 'node-only',
    expect: [],
  },
  {
    name: 'node-only: our node is not known, and nothing is on it',
    slices: [v4([at('10.0.0.1'), at('10.0.0.2', onA)])],
    locality: 'node-only',
    node: null,
    expect: [],
  },
]

for (const {
  name,
  slices,
  locality = 'any',
  node = 'node-a',
  zone = 'zone-1',
  port = 'http',
  expect,
} of table) {
  test(name, (t) => {
    const read = slices.map((slice) => readSlice(new Received(slice, 'slice')))
    const found = endpointsOf(read, { port, locality, node: { name: node, zone } })
    t.deepEqual(
      found.map(({ address, priority }) => `${formatAddress(address)}${'+'.repeat(priority)}`),
      expect,
    )
    t.deepEqual(
      found.map(({ weight }) => weight),
      expect.map(() => 1),
    )
  })
}

test('the order of the slices changes nothing', (t) => {
  for (const { slices, locality = 'any', node = 'node-a', zone = 'zone-1', port = 'http' } of table) {
    const read = slices.map((slice) => readSlice(new Received(slice, 'slice')))
    const choice = { port, locality, node: { name: node, zone } }
    t.deepEqual(endpointsOf(read.toReversed(), choice), endpointsOf(read, choice))
  }
})

test('an endpoint has the name of its pod', (t) => {
  const slice = readSlice(
    new Received(v4([at('10.0.0.1', { targetRef: { kind: 'Pod', name: 'kong-1' } })]), 'slice'),
  )
  const [found] = endpointsOf([slice], { port: 'http', locality: 'any', node: { name: null, zone: null } })
  t.is(found?.name, 'kong-1')
})

test('the names of the ports that are there, once, without those that are not TCP', (t) => {
  const ports = [
    { name: 'tls', port: 1 },
    { name: 'http', port: 2 },
    { name: 'dns', port: 3, protocol: 'UDP' },
  ]
  const slices = [v4([], { ports }), v4([])].map((slice) => readSlice(new Received(slice, 'slice')))
  t.deepEqual(portNames(slices), ['http', 'tls'])
})

const good = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSliceList',
  metadata: { resourceVersion: '7', continue: '' },
  items: [v4([at('10.0.0.1')])],
}

test('a list says its version, and that there is no other page', (t) => {
  t.like(readSliceList(new Received(good, 'list')), { version: '7', next: null })
})

const broken: readonly (readonly [string, unknown, string])[] = [
  ['a text', 'no', 'list: expected an object, got text'],
  [
    'another list',
    { ...good, kind: 'PodList' },
    'expected discovery.k8s.io/v1 EndpointSliceList, got `discovery.k8s.io/v1 PodList`',
  ],
  ['no version', { ...good, metadata: {} }, 'list.metadata.resourceVersion: expected text, got nothing'],
  ['items', { ...good, items: {} }, 'list.items: expected a list, got an object'],
  ['an item', { ...good, items: [7] }, 'list.items[0]: expected an object, got 7'],
  [
    'a name',
    { ...good, items: [{ ...v4([]), metadata: null }] },
    'list.items[0].metadata.name: expected text, got nothing',
  ],
  [
    'an address',
    { ...good, items: [v4([{ addresses: [1] }])] },
    'list.items[0].endpoints[0].addresses[0]: expected text, got 1',
  ],
  [
    'a condition',
    { ...good, items: [v4([at('10.0.0.1', { conditions: { ready: 'yes' } })])] },
    'list.items[0].endpoints[0].conditions.ready: expected true or false, got text',
  ],
  [
    'a port',
    { ...good, items: [v4([], { ports: [{ port: 1.5 }] })] },
    'list.items[0].ports[0].port: expected an integer, got 1.5',
  ],
]

for (const [what, value, message] of broken) {
  test(`refused: ${what}`, (t) => {
    t.throws(() => readSliceList(new Received(value, 'list')), { message })
  })
}
