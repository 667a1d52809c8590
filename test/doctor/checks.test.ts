import { readFileSync } from 'node:fs'
import test from 'ava'
import { diagnose } from '../../src/doctor/diagnose.ts'
import type { Facts } from '../../src/doctor/facts.ts'
import { type Code, codes, type Severity, severities } from '../../src/doctor/finding.ts'
import type { Owner } from '../../src/doctor/node/owners.ts'
import { gateway, healthy, listening, owner, running, saved } from './healthy.ts'

interface Row {
  readonly node: string
  readonly facts: Partial<Facts>
  /** All that is found, in its order; `CODE SEVERITY`. */
  readonly finds: readonly `${Code} ${Severity}`[]
  /** Commands of the first finding's remedy, words joined by blanks. */
  readonly commands?: readonly string[]
  readonly settings?: readonly string[]
  /** In the first finding. */
  readonly says?: RegExp
}

const bound = listening('::', 80, { inode: '7' })
const ours: readonly [string, readonly Owner[]] = ['7', [owner({ pid: 7, command: 'node', spliceway: true })]]
/** A process runs: nothing to note of that. */
const serving: Partial<Facts> = { running: running(5, 60), sockets: [bound], owners: new Map([ours]) }
const sysctl = (name: string, value: string): Partial<Facts> => ({
  ...serving,
  kernel: { ...healthy.kernel, sysctls: new Map([...healthy.kernel.sysctls, [name, value]]) },
})
const kernel = (some: Partial<Facts['kernel']>): Partial<Facts> => ({
  kernel: { ...healthy.kernel, ...some },
})
const nat = (lines: string): Partial<Facts> => ({ ...serving, chains: saved('nat', lines) })
const held = (some: Parameters<typeof owner>[0]): Partial<Facts> => ({
  sockets: [listening('0.0.0.0', 80)],
  owners: new Map([['1', [owner(some)]]]),
})
const one = (some: Parameters<typeof gateway>[0]): Partial<Facts> => ({
  ...serving,
  gateways: [gateway(some)],
})
const listenOn = (host: string): Partial<Facts> => ({
  ...serving,
  running: { kind: 'nobody' },
  sockets: [],
  subject: { ...healthy.subject, listeners: [{ name: 'http', host, port: 80, pool: 'web' }] },
})
const transparentWeb: Facts['subject'] = {
  ...healthy.subject,
  pools: healthy.subject.pools.map((pool) => ({ ...pool, transparent: pool.name === 'web' })),
}
const portmapRules = `:PREROUTING ACCEPT [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-DN-1 - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"cbr0\\" id: \\"a\\"" -m multiport --dports 80 -j CNI-DN-1
-A CNI-DN-1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.42.0.8:80`
const deleteHostPort =
  'iptables-nft -t nat -D CNI-HOSTPORT-DNAT -p tcp -m comment --comment dnat name: "cbr0" id: "a" -m multiport --dports 80 -j CNI-DN-1'

const rows: readonly Row[] = [
  { node: 'a healthy node before the start', facts: {}, finds: ['not-running note'] },
  { node: 'a healthy node that serves', facts: serving, finds: [] },
  {
    node: 'another process has the port',
    facts: held({}),
    finds: ['port-taken blocks', 'not-running note'],
    commands: ['kill 42'],
    says: /nginx \(pid 42, uid 0\) listens on 0\.0\.0\.0:80/,
  },
  {
    node: 'a unit has the port',
    facts: held({ home: { kind: 'unit', unit: 'nginx.service' } }),
    finds: ['port-taken blocks', 'not-running note'],
    commands: ['systemctl disable --now nginx.service'],
  },
  {
    node: 'a container has the port',
    facts: held({ home: { kind: 'docker', id: '0123456789ab' } }),
    finds: ['port-taken blocks', 'not-running note'],
    commands: ['docker stop 0123456789ab'],
  },
  {
    node: 'a Pod has the port',
    facts: held({ home: { kind: 'pod', pod: 'ingress/nginx-x' } }),
    finds: ['port-taken blocks', 'not-running note'],
    commands: [],
  },
  {
    node: 'systemd has the port',
    facts: held({ pid: 1, command: 'systemd' }),
    finds: ['port-taken note', 'not-running note'],
  },
  {
    node: 'somebody has the port, and we may not see who',
    facts: { sockets: [listening('0.0.0.0', 80, { uid: 33 })] },
    finds: ['port-taken blocks', 'not-running note'],
    says: /a process of uid 33/,
  },
  {
    node: 'another spliceway, elsewhere',
    facts: held({ spliceway: true }),
    finds: ['not-running note'],
    says: /pid 42/,
  },
  {
    node: 'the admin port is taken',
    facts: {
      ...serving,
      sockets: [bound, listening('127.0.0.1', 9981)],
      owners: new Map([ours, ['1', [owner()]]]),
    },
    finds: ['admin-port-taken hurts'],
    settings: ['admin.listen: 127.0.0.1:9982'],
  },
  {
    node: 'one address is somebody else’s',
    facts: {
      ...serving,
      sockets: [bound, listening('10.0.0.2', 80)],
      owners: new Map([ours, ['1', [owner()]]]),
    },
    finds: ['port-shadowed blocks'],
  },
  {
    node: 'the port is shared',
    facts: { ...serving, sockets: [bound, listening('::', 80)], owners: new Map([ours, ['1', [owner()]]]) },
    finds: ['port-shared hurts'],
  },
  {
    node: 'a REDIRECT',
    facts: nat(
      ':PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9080',
    ),
    finds: ['redirected blocks'],
    commands: ['iptables-nft -t nat -D PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9080'],
    says: /10\.0\.0\.2:80 .* port 9080, where nobody listens/,
  },
  {
    node: 'a REDIRECT of some clients, and of other ports beside',
    facts: nat(
      ':PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 192.0.2.0/24 -p tcp -m multiport --dports 80,81 -j REDIRECT --to-ports 9080',
    ),
    finds: ['redirected hurts'],
    commands: ['iptables-nft -t nat -I PREROUTING -p tcp --dport 80 -j ACCEPT'],
    says: /^some connections/,
  },
  {
    node: 'a transparent proxy',
    facts: {
      ...serving,
      chains: saved(
        'mangle',
        ':PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j TPROXY --on-port 8080 --on-ip 127.0.0.1 --tproxy-mark 0x1/0x1',
      ),
    },
    finds: ['redirected blocks'],
    says: /port 8080/,
  },
  { node: 'hostPort', facts: nat(portmapRules), finds: ['hostport blocks'], commands: [deleteHostPort] },
  {
    node: 'k3s ServiceLB',
    facts: {
      ...nat(portmapRules),
      cluster: { ...healthy.cluster, serviceLb: ['kube-system/svclb-traefik-1'] },
    },
    finds: ['servicelb blocks'],
    says: /svclb-traefik-1/,
  },
  {
    node: 'a port of Docker',
    facts: nat(
      ':PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80',
    ),
    finds: ['docker-published blocks'],
  },
  {
    node: 'a NodePort of kube-proxy',
    facts: nat(
      ':PREROUTING ACCEPT [0:0]\n:KUBE-NODEPORTS - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n-A KUBE-NODEPORTS -p tcp -m comment --comment "shop/web:http" -m tcp --dport 80 -j DNAT --to-destination 10.42.0.9:80',
    ),
    finds: ['service-port blocks'],
    says: /Service shop\/web:http/,
  },
  {
    node: 'kube-proxy by IPVS',
    facts: { ...serving, cluster: { ...healthy.cluster, ipvs: [{ host: '10.0.0.2', port: 80 }] } },
    finds: ['service-port blocks'],
  },
  {
    node: 'INPUT drops',
    facts: {
      ...serving,
      chains: saved('filter', ':INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT'),
    },
    finds: ['firewalled blocks'],
    commands: ['iptables-nft -t filter -I INPUT -p tcp --dport 80 -j ACCEPT'],
  },
  {
    node: 'INPUT drops one network',
    facts: { ...serving, chains: saved('filter', ':INPUT ACCEPT [0:0]\n-A INPUT -s 192.0.2.0/24 -j DROP') },
    finds: ['firewalled note', 'firewalled note'],
  },
  {
    node: 'lo is down',
    facts: { ...serving, addresses: { ...healthy.addresses, hosts: healthy.addresses.hosts.slice(1) } },
    finds: ['loopback-down blocks'],
    commands: ['ip link set lo up'],
  },
  {
    node: 'an address is missing',
    facts: listenOn('10.0.0.9'),
    finds: ['address-missing blocks', 'not-running note'],
    commands: ['ip address add 10.0.0.9/32 dev eth0'],
  },
  {
    node: 'an address is missing, and may be',
    facts: { ...sysctl('net.ipv4.ip_nonlocal_bind', '1'), ...listenOn('10.0.0.9') },
    finds: ['address-missing note', 'not-running note'],
  },
  {
    node: 'IPv6 is off',
    facts: {
      ...listenOn('2001:db8::2'),
      kernel: sysctl('net.ipv6.conf.all.disable_ipv6', '1').kernel ?? healthy.kernel,
    },
    finds: ['ipv6-off blocks', 'not-running note'],
    commands: ['sysctl -w net.ipv6.conf.all.disable_ipv6=0'],
  },
  {
    node: 'no capability',
    facts: kernel({ capabilities: 0n, uid: 1000 }),
    finds: ['port-forbidden blocks', 'not-running note'],
    commands: ['sysctl -w net.ipv4.ip_unprivileged_port_start=80'],
  },
  {
    node: 'it hangs',
    facts: { running: { kind: 'silent', socket: '/run/x' } },
    finds: ['process-silent blocks'],
  },
  {
    node: 'bound, and bypassed',
    facts: { ...serving, running: running(0, 11) },
    finds: ['accepts-nothing hurts'],
  },
  { node: 'bound, and young', facts: { ...serving, running: running(0, 9) }, finds: [] },
  {
    node: 'its queue is full',
    facts: { ...serving, sockets: [{ ...bound, waiting: 4097 }] },
    finds: ['accept-queue-full blocks'],
  },
  {
    node: 'the gateway is down',
    facts: one({ answer: { kind: 'refused' } }),
    finds: ['gateway-refuses blocks'],
  },
  {
    node: 'one of two gateways is down',
    facts: {
      ...serving,
      gateways: [gateway({}), gateway({ host: '10.0.0.6', answer: { kind: 'refused' } })],
    },
    finds: ['gateway-refuses hurts'],
  },
  {
    node: 'the gateway listens elsewhere',
    facts: { ...one({ answer: { kind: 'refused' } }), sockets: [bound, listening('10.0.0.2', 9080)] },
    finds: ['gateway-elsewhere blocks'],
    settings: ['pools.web.endpoints: ["10.0.0.2:9080"]'],
  },
  {
    node: 'the gateway gives no answer',
    facts: one({ host: '10.0.0.5', answer: { kind: 'failed', code: 'ETIMEDOUT' } }),
    finds: ['gateway-unreachable blocks'],
  },
  {
    node: 'no route',
    facts: one({ host: '10.9.0.5', answer: { kind: 'failed', code: 'ENETUNREACH' } }),
    finds: ['gateway-unreachable blocks'],
    says: /ENETUNREACH/,
  },
  {
    node: 'OUTPUT drops',
    facts: {
      ...one({ host: '10.0.0.5', answer: { kind: 'failed', code: 'ETIMEDOUT' } }),
      chains: saved('filter', ':OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 10.0.0.0/24 -p tcp -j DROP'),
    },
    finds: ['gateway-firewalled blocks'],
    commands: ['iptables-nft -t filter -I OUTPUT -p tcp -d 10.0.0.5 --dport 9080 -j ACCEPT'],
  },
  {
    node: 'the gateway is down, beside rules for others',
    facts: {
      ...one({ answer: { kind: 'refused' } }),
      chains: saved('filter', ':OUTPUT ACCEPT [0:0]\n-A OUTPUT -m owner --uid-owner 33 -j REJECT'),
    },
    finds: ['gateway-refuses blocks'],
  },
  {
    node: 'OUTPUT redirects',
    facts: {
      ...one({ answer: { kind: 'refused' } }),
      chains: saved(
        'nat',
        ':OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -m tcp --dport 9080 -j REDIRECT --to-ports 1',
      ),
    },
    finds: ['gateway-diverted blocks'],
    commands: ['iptables-nft -t nat -D OUTPUT -p tcp -m tcp --dport 9080 -j REDIRECT --to-ports 1'],
  },
  {
    node: 'the gateway is stopped',
    facts: {
      ...one({}),
      sockets: [bound, listening('127.0.0.1', 9080)],
      owners: new Map([ours, ['1', [owner({ stopped: true }), owner({ pid: 43, stopped: true })]]]),
    },
    finds: ['gateway-stopped blocks'],
    commands: ['kill -CONT 42 43'],
  },
  {
    node: 'the gateway hangs up',
    facts: one({ answer: { kind: 'connected', first: 'end' } }),
    finds: ['gateway-hangs-up hurts'],
  },
  {
    node: 'the gateway speaks first',
    facts: one({ answer: { kind: 'connected', first: 'bytes' } }),
    finds: [],
  },
  {
    node: 'the gateway speaks first to a warm connection',
    facts: one({ warm: true, answer: { kind: 'connected', first: 'bytes' } }),
    finds: ['gateway-speaks-first hurts'],
    settings: ['pools.web.warm: off'],
  },
  {
    node: 'the gateway wants a header',
    facts: one({
      speech: { asConfigured: { kind: 'closed' }, otherwise: { kind: 'http', status: 404, dateMs: null } },
    }),
    finds: ['proxy-header-wanted blocks'],
    settings: ['pools.web.sendProxyProtocol: v2'],
  },
  {
    node: 'the gateway refuses a header',
    facts: one({
      sendProxyProtocol: 'v1',
      speech: { asConfigured: { kind: 'http', status: 400, dateMs: null }, otherwise: { kind: 'tls' } },
    }),
    finds: ['proxy-header-refused blocks'],
    settings: ['pools.web.sendProxyProtocol: off'],
  },
  {
    node: 'the gateway says nothing',
    facts: one({ speech: { asConfigured: { kind: 'silence' }, otherwise: { kind: 'silence' } } }),
    finds: ['gateway-silent blocks'],
  },
  {
    node: 'a gateway of neither HTTP nor TLS',
    facts: one({ speech: { asConfigured: { kind: 'other' }, otherwise: { kind: 'other' } } }),
    finds: [],
  },
  {
    node: 'a gateway of another day',
    facts: one({
      speech: {
        asConfigured: { kind: 'http', status: 200, dateMs: Date.UTC(2026, 10, 26) },
        otherwise: null,
      },
    }),
    finds: ['clock-differs hurts'],
    says: /86400 s behind/,
  },
  {
    node: 'a name is unknown',
    facts: {
      ...serving,
      gateways: [],
      names: {
        lost: [{ name: 'gw.test', pool: 'web', reason: 'it does not exist' }],
        servers: [{ host: '10.0.0.53', answers: false }],
      },
    },
    finds: ['name-unknown blocks', 'name-servers-silent hurts'],
  },
  {
    node: 'Cilium, and a NodePort',
    facts: {
      ...one({ port: 31080, answer: { kind: 'refused' } }),
      cluster: {
        ...healthy.cluster,
        cilium: { seenBy: 'interface cilium_host', settings: new Map([['kube-proxy-replacement', 'true']]) },
      },
    },
    finds: ['cilium-nodeport blocks', 'cilium note'],
  },
  {
    node: 'portmap',
    facts: { ...serving, cluster: { ...healthy.cluster, portmap: ['/etc/cni/net.d/10-flannel.conflist'] } },
    finds: ['portmap note'],
    says: /portmap/,
  },
  {
    node: 'no local port is left',
    facts: one({ answer: { kind: 'failed', code: 'EADDRNOTAVAIL' } }),
    finds: ['local-ports-few blocks'],
    commands: ['sysctl -w net.ipv4.ip_local_port_range=1024 60999', 'sysctl -w net.ipv4.tcp_tw_reuse=1'],
  },
  {
    node: 'a transparent pool, and nobody may say who the client is',
    facts: {
      subject: transparentWeb,
      kernel: { ...healthy.kernel, uid: 1000, capabilities: 1n << 10n },
      gateways: [gateway({})],
    },
    finds: ['transparent-forbidden blocks', 'not-running note'],
    says: /pool web is transparent, and uid 1000 .* has not CAP_NET_RAW/,
  },
  {
    node: 'a transparent pool without rules',
    facts: {
      ...serving,
      subject: transparentWeb,
      gateways: [gateway({})],
      waysBack: [{ gateway: gateway({}), found: { kind: 'missing', rules: [['ip', 'rule', 'add', 'x']] } }],
    },
    finds: ['transparent-unrouted blocks'],
    says: /127\.0\.0\.1:9080 of pool web answers this host, .*192\.0\.2\.1/,
    commands: ['ip rule add x'],
  },
  {
    node: 'a transparent pool with its rules',
    facts: {
      ...serving,
      subject: transparentWeb,
      gateways: [gateway({})],
      waysBack: [{ gateway: gateway({}), found: { kind: 'there' } }],
    },
    finds: [],
  },
  {
    node: 'few local ports are left',
    facts: {
      ...sysctl('net.ipv4.ip_local_port_range', '40000 40009'),
      sockets: [
        bound,
        ...Array.from({ length: 8 }, (_, at) =>
          listening('127.0.0.1', 40_000 + at, {
            state: 'time-wait',
            remoteHost: '127.0.0.1',
            remotePort: 9080,
          }),
        ),
      ],
    },
    finds: ['local-ports-few hurts'],
    says: /of 10 local ports .* 8 are in use \(8 of them in TIME_WAIT/,
  },
  {
    node: 'a listener among the local ports',
    facts: {
      ...sysctl('net.ipv4.ip_local_reserved_ports', '40000-40001'),
      running: { kind: 'nobody' },
      subject: {
        ...healthy.subject,
        listeners: [40_001, 40_002].map((port) => ({ name: 'x', host: '::', port, pool: 'web' })),
      },
    },
    finds: ['port-in-local-range hurts', 'not-running note'],
    commands: ['sysctl -w net.ipv4.ip_local_reserved_ports=40000-40001,40002'],
  },
  {
    node: 'few descriptors',
    facts: { ...serving, openFiles: { limit: 1024, pid: 7 } },
    finds: ['descriptors-few hurts'],
  },
  {
    node: 'hardly any descriptors',
    facts: { ...serving, openFiles: { limit: 260, pid: 7 } },
    finds: ['descriptors-few blocks'],
  },
  {
    node: 'a short queue',
    facts: sysctl('net.core.somaxconn', '128'),
    finds: ['somaxconn-small hurts'],
    commands: ['sysctl -w net.core.somaxconn=4096'],
  },
  {
    node: 'queues were full',
    facts: { ...serving, ...kernel({ tcp: new Map([['ListenOverflows', 5000]]) }) },
    finds: ['listen-overflows note'],
  },
  { node: 'few pipes', facts: sysctl('fs.pipe-user-pages-soft', '1024'), finds: ['pipes-few note'] },
  {
    node: 'no koffi',
    facts: { ...serving, plane: { kind: 'net', why: 'koffi did not load' } },
    finds: ['plane-missing hurts', 'tcp-migrate-req-off note'],
  },
  {
    node: 'no koffi, and splice is asked for',
    facts: {
      ...sysctl('net.ipv4.tcp_migrate_req', '1'),
      plane: { kind: 'net', why: 'koffi did not load' },
      subject: { ...healthy.subject, plane: 'splice' },
    },
    finds: ['plane-missing blocks'],
    settings: ['plane: auto'],
  },
  {
    node: 'an old kernel',
    facts: { ...serving, ...kernel({ release: '4.9.0' }) },
    finds: ['kernel-old hurts'],
  },
  {
    node: 'a full table of connections',
    facts: {
      ...serving,
      ...kernel({
        sysctls: new Map([
          ...healthy.kernel.sysctls,
          ['net.netfilter.nf_conntrack_count', '1000'],
          ['net.netfilter.nf_conntrack_max', '1000'],
        ]),
      }),
    },
    finds: ['conntrack-full blocks'],
    commands: ['sysctl -w net.netfilter.nf_conntrack_max=4000'],
  },
  {
    node: 'a clock of the past',
    facts: { ...serving, clock: { nowMs: 0, keeper: null, synchronized: null } },
    finds: ['clock-wrong hurts'],
  },
  {
    node: 'nobody keeps the clock',
    facts: {
      ...serving,
      clock: { ...healthy.clock, keeper: 'systemd-timesyn (pid 3)', synchronized: false },
    },
    finds: ['clock-unsynchronized note'],
  },
]

for (const { node, facts, finds, commands, settings, says } of rows) {
  test(node, (t) => {
    const found = diagnose({ ...healthy, ...facts })
    t.deepEqual(
      found.map(({ code, severity }) => `${code} ${severity}`),
      finds,
      found.map(({ what }) => what).join('\n'),
    )
    const [first] = found
    if (commands !== undefined)
      t.deepEqual(
        first?.remedy.commands.map((words) => words.join(' ')),
        commands,
      )
    if (settings !== undefined) {
      t.deepEqual(
        first?.remedy.settings.map(({ key, value }) => `${key}: ${value}`),
        settings,
      )
    }
    if (says !== undefined) t.regex(first?.what ?? '', says)
  })
}

test('every code has a node that shows it', (t) => {
  const shown = new Set(rows.flatMap(({ finds }) => finds.map((each) => each.split(' ')[0])))
  t.deepEqual(
    codes.filter((code) => !shown.has(code)),
    [],
  )
})

test('docs/doctor.md explains every code and severity, and no other', (t) => {
  const page = readFileSync(new URL('../../docs/doctor.md', import.meta.url), 'utf8')
  const cells = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, cell]) => cell ?? '')
  t.deepEqual(cells, [...severities, ...codes])
})
