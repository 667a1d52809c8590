import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import ava, { type ExecutionContext } from 'ava'
import type { Code } from '../../src/doctor/finding.ts'
import { onStage } from '../end-to-end/on-stage.ts'
import { cli, type Spliceway } from '../end-to-end/spliceway.ts'
import { clientAddress, edgeAddress, type Stage } from '../end-to-end/stage.ts'
import { visit } from '../end-to-end/traffic.ts'
import { findProgram } from '../helpers/find-program.ts'
import { Program, run } from '../helpers/program.ts'
import { found, Patient } from './doctor-patient.ts'

const test = onStage(1)
ava.after.always(stopShared)

const usual = `listeners: [{ name: http, listen: "[::]:80", pool: web }]
pools: { web: { endpoints: [127.0.0.2:9080] } }
`

/** A node with a rule of its own or of a program that keeps rules. */
interface Rules {
  readonly claim: string
  readonly code: Code
  /** Lines for sh on the edge. */
  readonly lines: readonly string[]
  /** A module or a program of this kernel that the lines need; where it is not there the test says so. */
  readonly host?: string
}

const nft = (table: string) => `nft '${table}'`
const rules: readonly Rules[] = [
  {
    claim: 'a REDIRECT of iptables',
    code: 'redirected',
    lines: [
      'iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -m comment --comment "it\'s \\"old\\"" -j REDIRECT --to-ports 9999',
    ],
  },
  {
    claim: 'a REDIRECT of ip6tables, of IPv6 clients only',
    code: 'redirected',
    host: edgeAddress.v6,
    lines: ['ip6tables-nft -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 9999'],
  },
  {
    claim: 'a REDIRECT of many ports, which may not go for one',
    code: 'redirected',
    lines: [
      'iptables-nft -t nat -A PREROUTING -p tcp -m multiport --dports 22,80:90 -j REDIRECT --to-ports 9999',
    ],
  },
  {
    claim: 'a redirect of nft',
    code: 'redirected',
    lines: [
      nft(
        'table inet old { chain pre { type nat hook prerouting priority dstnat; tcp dport 80 redirect to :9999; }; }',
      ),
    ],
  },
  {
    claim: 'a dnat of nft, two jumps away and by a named set',
    code: 'redirected',
    lines: [
      nft(
        'table ip old { set web { type inet_service; flags interval; elements = { 80, 8000-8999 }; }; chain to { meta l4proto tcp dnat to 10.99.0.77:9999; }; chain each { tcp dport @web goto to; }; chain pre { type nat hook prerouting priority dstnat; fib daddr type local jump each; }; }',
      ),
    ],
  },
  {
    claim: 'a REDIRECT of iptables-legacy',
    code: 'redirected',
    lines: ['iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 9999'],
  },
  {
    claim: "a Pod's hostPort, by portmap",
    code: 'hostport',
    lines: [
      'iptables-nft -t nat -N CNI-HOSTPORT-DNAT',
      'iptables-nft -t nat -N CNI-DN-6d2bcc35d6f8bb5e7d76e',
      'iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT',
      'iptables-nft -t nat -A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"cbr0\\" id: \\"4d0ad\\"" -m multiport --dports 80 -j CNI-DN-6d2bcc35d6f8bb5e7d76e',
      'iptables-nft -t nat -A CNI-DN-6d2bcc35d6f8bb5e7d76e -p tcp --dport 80 -j DNAT --to-destination 10.42.0.8:8080',
    ],
  },
  {
    claim: 'a published port of Docker',
    code: 'docker-published',
    lines: [
      'iptables-nft -t nat -N DOCKER',
      'iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
      'iptables-nft -t nat -A DOCKER -i docker0 -j RETURN',
      'iptables-nft -t nat -A DOCKER ! -i docker0 -p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:8080',
    ],
  },
  {
    claim: 'a Service whose external address is the node, by kube-proxy',
    code: 'service-port',
    lines: [
      'iptables-nft -t nat -N KUBE-SERVICES',
      'iptables-nft -t nat -N KUBE-EXT-ABC',
      'iptables-nft -t nat -N KUBE-MARK-MASQ',
      'iptables-nft -t nat -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
      'iptables-nft -t nat -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      `iptables-nft -t nat -A KUBE-SERVICES -d ${edgeAddress.v4}/32 -p tcp -m comment --comment "default/web:http external IP" --dport 80 -j KUBE-EXT-ABC`,
      'iptables-nft -t nat -A KUBE-EXT-ABC -j KUBE-MARK-MASQ',
      'iptables-nft -t nat -A KUBE-EXT-ABC -p tcp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.42.0.8:8080',
      'iptables-nft -t nat -A KUBE-EXT-ABC -p tcp -j DNAT --to-destination 10.42.0.9:8080',
    ],
  },
  {
    claim: 'a NodePort, by kube-proxy in its nftables mode',
    code: 'service-port',
    lines: [
      `printf '%s\\n' 'table ip kube-proxy {' \\
        'chain ep1 {' 'meta l4proto tcp dnat to 10.42.0.9:8080' '}' 'chain ep2 {' 'meta l4proto tcp dnat to 10.42.0.8:8080' '}' \\
        'chain web {' 'numgen random mod 2 vmap { 0 : goto ep1, 1 : goto ep2 }' '}' \\
        'map ips {' 'type ipv4_addr . inet_proto . inet_service : verdict' 'elements = { 10.96.0.1 . tcp . 80 : goto web }' '}' \\
        'map ports {' 'type inet_proto . inet_service : verdict' 'elements = { tcp . 80 comment "shop/web" : goto web }' '}' \\
        'set nodes {' 'type ipv4_addr' 'elements = { ${edgeAddress.v4} }' '}' \\
        'chain services {' 'ip daddr . meta l4proto . th dport vmap @ips' 'ip daddr @nodes meta l4proto . th dport vmap @ports' '}' \\
        'chain pre {' 'type nat hook prerouting priority dstnat' 'jump services' '}' '}' | nft -f -`,
    ],
  },
  {
    claim: 'a DROP in INPUT',
    code: 'firewalled',
    lines: ['iptables-nft -A INPUT -p tcp --dport 80 -j DROP'],
  },
  {
    claim: 'a REJECT behind a list of others',
    code: 'firewalled',
    lines: [
      'iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      'iptables-nft -A INPUT -i lo -j ACCEPT',
      'iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT',
      'iptables-nft -A INPUT -j REJECT --reject-with icmp-host-prohibited',
    ],
  },
  {
    claim: 'a DROP in raw, before anything is tracked',
    code: 'firewalled',
    lines: ['iptables-nft -t raw -A PREROUTING -p tcp --dport 80 -j DROP'],
  },
  {
    claim: 'an input chain of nft whose policy is drop',
    code: 'firewalled',
    lines: [
      nft(
        'table inet filter { chain input { type filter hook input priority filter; policy drop; ct state established,related accept; iif lo accept; tcp dport { 22, 443 } accept; meta l4proto ipv6-icmp accept; }; }',
      ),
    ],
  },
  {
    claim: 'a verdict map of nft',
    code: 'firewalled',
    lines: [
      nft(
        'table inet filter { chain input { type filter hook input priority filter; tcp dport vmap { 22 : accept, 80 : drop }; }; }',
      ),
    ],
  },
  {
    claim: 'a DROP on the way to the gateway',
    code: 'gateway-firewalled',
    lines: ['iptables-nft -A OUTPUT -d 127.0.0.2 -p tcp --dport 9080 -j DROP'],
  },
  {
    claim: 'a reject of nft on the way to the gateway',
    code: 'gateway-firewalled',
    lines: [
      nft(
        'table inet filter { chain out { type filter hook output priority filter; ip daddr 127.0.0.0/8 tcp dport 9000-9100 reject with tcp reset; }; }',
      ),
    ],
  },
  {
    claim: 'a DROP at the gateway on this host',
    code: 'gateway-firewalled',
    lines: ['iptables-nft -A INPUT -i lo -p tcp --dport 9080 -j DROP'],
  },
  {
    claim: "a REDIRECT of this host's own connections",
    code: 'gateway-diverted',
    lines: ['iptables-nft -t nat -A OUTPUT -p tcp --dport 9080 -j REDIRECT --to-ports 9999'],
  },
  { claim: 'no loopback', code: 'loopback-down', lines: ['ip link set lo down'] },
]

/** Takes every rule away again. */
function flush(patient: Patient): void {
  patient.shell('nft flush ruleset')
  if (findProgram('iptables-legacy') !== null) patient.shell('iptables-legacy -t nat -F')
  patient.stage.edge.setLink('lo', 'up')
}

let shared: { patient: Patient; spliceway: Spliceway } | null = null

/** One process for all tests about rules: it is the node that they break. */
async function running(t: ExecutionContext, stage: Stage): Promise<Patient> {
  if (shared === null) {
    const patient = new Patient(stage, usual)
    shared = { patient, spliceway: await patient.serve({ ...t, teardown: () => {} }) }
  }
  const { patient } = shared
  t.teardown(() => flush(patient))
  return patient
}

async function stopShared(): Promise<void> {
  await shared?.spliceway.program.kill()
  shared = null
}

test('on a healthy node nothing blocks and nothing hurts, and looking changes nothing', async (t, stage) => {
  const patient = await running(t, stage)
  // Asking iptables-legacy for a table would make it.
  const rulesNow =
    'nft list ruleset; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null || true'
  const before = patient.shell(rulesNow)
  const { code, findings, unseen } = await patient.diagnosis(true)
  t.deepEqual(
    findings.filter(({ severity }) => severity !== 'note'),
    [],
  )
  t.deepEqual(unseen, [])
  t.is(code, 0)
  t.is(patient.shell(rulesNow), before)
})

for (const { claim, code, lines, host = edgeAddress.v4 } of rules) {
  test(`it finds ${claim}, and what it proposes works`, async (t, stage) => {
    if (lines[0]?.startsWith('iptables-legacy') && findProgram('iptables-legacy') === null)
      return void t.pass('iptables-legacy is not installed')
    const patient = await running(t, stage)
    for (const line of lines) patient.shell(line)
    const diagnosis = await patient.diagnosis()
    const finding = found(t, diagnosis, code)
    t.is(finding.severity, 'blocks', finding.what)
    t.is(diagnosis.code, 1)
    patient.apply(finding.remedy)
    const after = await patient.diagnosis()
    t.deepEqual(
      after.findings.filter(({ severity }) => severity === 'blocks'),
      [],
    )
    t.is((await visit(host, 80)).node, 'a')
  })
}

test('it finds a gateway that was stopped, and what it proposes works', async (t, stage) => {
  const patient = await running(t, stage)
  const [gateway] = stage.gateways
  gateway?.freeze()
  t.teardown(() => gateway?.thaw())
  const finding = found(t, await patient.diagnosis(), 'gateway-stopped')
  patient.apply(finding.remedy)
  t.is((await visit(edgeAddress.v4, 80)).node, 'a')
})

test('it finds a short queue for connections, and what it proposes is done', async (t, stage) => {
  const patient = await running(t, stage)
  stage.edge.run('sysctl', '-w', 'net.core.somaxconn=16')
  const finding = found(t, await patient.diagnosis(), 'somaxconn-small')
  patient.apply(finding.remedy)
  t.deepEqual(
    (await patient.diagnosis()).findings.filter(({ code }) => code === 'somaxconn-small'),
    [],
  )
})

test('it finds a process of the same user that shares an address, and what it proposes works', async (t, stage) => {
  const patient = await running(t, stage)
  const squatter = await squat(t, stage, `{ port: 80, host: '${edgeAddress.v4}', reusePort: true }`)
  const finding = found(t, await patient.diagnosis(), 'port-shadowed')
  t.regex(finding.what, new RegExp(`pid ${squatter.pid},`))
  patient.apply(finding.remedy)
  await squatter.exit
  t.is((await visit(edgeAddress.v4, 80)).node, 'a')
})

test('it finds a hung process', async (t, stage) => {
  const patient = await running(t, stage)
  shared?.spliceway.program.signal('SIGSTOP')
  t.teardown(() => shared?.spliceway.program.signal('SIGCONT'))
  t.is(found(t, await patient.diagnosis(), 'process-silent').severity, 'blocks')
})

test('without root it says what it could not see', async (t, stage) => {
  const patient = await running(t, stage)
  const said = await asNobody(stage, 'doctor', '-c', patient.file, '--json')
  const { unseen } = JSON.parse(said.out)
  t.regex(unseen.join('\n'), /nft/)
  t.is(said.err, '')
})

// From here on no process runs: what follows is found before a start.
test('it finds who holds the port, and what it proposes works', async (t, stage) => {
  await stopShared()
  const patient = new Patient(stage, usual)
  const squatter = await squat(t, stage, '{ port: 80, host: "0.0.0.0" }')
  const finding = found(t, await patient.diagnosis(), 'port-taken')
  t.is(finding.severity, 'blocks')
  t.regex(finding.what, new RegExp(`pid ${squatter.pid}, uid 0`))
  patient.apply(finding.remedy)
  await squatter.exit
  await patient.serve(t)
  t.is((await visit(edgeAddress.v4, 80)).node, 'a')
})

test('it finds an address that the host has not, and what it proposes works', async (t, stage) => {
  const patient = new Patient(stage, usual.replace('[::]:80', '10.99.0.9:80'))
  t.teardown(() => stage.edge.run('ip', 'address', 'del', '10.99.0.9/32', 'dev', 'cable'))
  const finding = found(t, await patient.diagnosis(), 'address-missing')
  t.is(finding.severity, 'blocks')
  patient.apply(finding.remedy)
  await patient.serve(t)
  t.is((await visit('10.99.0.9', 80)).node, 'a')
})

test('it finds that local ports are used up, and what it proposes works', async (t, stage) => {
  const patient = new Patient(stage, usual)
  t.teardown(() => patient.shell('sysctl -w net.ipv4.ip_local_port_range="32768 60999"'))
  patient.shell('sysctl -w net.ipv4.ip_local_port_range="41000 41001"')
  const back = stage.edge.enter()
  try {
    for (const localPort of [41000, 41001]) {
      const socket = connect({ host: '127.0.0.2', port: 9080, localAddress: '127.0.0.1', localPort })
      t.teardown(() => socket.destroy())
      await once(socket, 'connect')
    }
  } finally {
    back()
  }
  const finding = found(t, await patient.diagnosis(), 'local-ports-few')
  t.is(finding.severity, 'blocks', finding.what)
  patient.apply(finding.remedy)
  await patient.serve(t)
  t.is((await visit(edgeAddress.v4, 80)).node, 'a')
})

test('it finds a gateway that listens at another address, and what it proposes works', async (t, stage) => {
  const patient = new Patient(stage, usual.replace('127.0.0.2', '127.0.0.1'))
  patient.apply(found(t, await patient.diagnosis(), 'gateway-elsewhere').remedy)
  await patient.serve(t)
  t.is((await visit(edgeAddress.v4, 80)).node, 'a')
})

test('it finds a gateway that wants a PROXY header, and what it proposes works', async (t, stage) => {
  const patient = new Patient(stage, usual.replace('9080', '9181'))
  patient.apply(found(t, await patient.diagnosis(true), 'proxy-header-wanted').remedy)
  await patient.serve(t)
  t.is((await visit(edgeAddress.v4, 80)).node, 'a')
})

test('it finds a gateway that refuses a PROXY header, and what it proposes works', async (t, stage) => {
  const patient = new Patient(
    stage,
    usual.replace('[127.0.0.2:9080]', '[127.0.0.2:9080], sendProxyProtocol: v2'),
  )
  patient.apply(found(t, await patient.diagnosis(true), 'proxy-header-refused').remedy)
  await patient.serve(t)
  t.is((await visit(edgeAddress.v4, 80)).node, 'a')
})

test('it finds a TLS gateway that wants a PROXY header, and nothing where all is right', async (t, stage) => {
  const wrong = new Patient(stage, usual.replace('9080', '9182'))
  const finding = found(t, await wrong.diagnosis(true), 'proxy-header-wanted')
  t.regex(finding.what, /TLS/)
  const right = new Patient(stage, usual.replace('9080', '9443'))
  t.deepEqual(
    (await right.diagnosis(true)).findings.filter(({ severity }) => severity !== 'note'),
    [],
  )
})

test('it finds that nobody listens for a pool', async (t, stage) => {
  const patient = new Patient(stage, usual.replace('9080', '9999'))
  t.is(found(t, await patient.diagnosis(), 'gateway-refuses').severity, 'blocks')
})

test('it finds Cilium, and a NodePort that has no socket', async (t, stage) => {
  const patient = new Patient(stage, usual.replace('127.0.0.2:9080', '127.0.0.1:31080'))
  stage.edge.run('ip', 'link', 'add', 'cilium_host', 'type', 'veth', 'peer', 'cilium_net')
  t.teardown(() => {
    stage.edge.run('ip', 'link', 'del', 'cilium_host')
    flush(patient)
  })
  patient.shell('iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 31080')
  const diagnosis = await patient.diagnosis()
  t.is(found(t, diagnosis, 'cilium-nodeport').severity, 'blocks')
  t.is(found(t, diagnosis, 'cilium').severity, 'note')
  t.regex(found(t, diagnosis, 'redirected').what, /Cilium serves it in eBPF/)
})

test('it finds a port that a user may not bind, and what it proposes works', async (t, stage) => {
  const patient = new Patient(stage, usual)
  if (spawnSync('setpriv', [...nobody, process.execPath, cli, 'version']).status !== 0)
    return void t.pass('other users cannot read the program')
  t.teardown(() => stage.edge.run('sysctl', '-w', 'net.ipv4.ip_unprivileged_port_start=1024'))
  const said = await asNobody(stage, 'doctor', '-c', patient.file, '--json')
  t.is(said.code, 1)
  const { findings } = JSON.parse(said.out)
  patient.apply(found(t, { code: 1, findings, unseen: [] }, 'port-forbidden').remedy)
  const program = await Program.start(
    stage.edge.command('setpriv', ...nobody, process.execPath, cli, 'run', '-c', patient.file),
  )
  t.teardown(() => program.kill())
  await program.line(/"msg":"admin page open"/)
  t.is((await visit(edgeAddress.v4, 80)).node, 'a')
})

test('it finds a name without an address, and name servers that are silent, and what it proposes works', async (t, stage) => {
  const patient = new Patient(stage, usual.replace('127.0.0.2', 'gateway.test'))
  stage.edge.etc('resolv.conf', 'nameserver 127.0.0.53\noptions timeout:1 attempts:1\n')
  stage.edge.etc('hosts', '127.0.0.1 localhost\n')
  const said = await run(stage.edge.command(process.execPath, cli, 'doctor', '-c', patient.file, '--json'))
  const { findings } = JSON.parse(said.out)
  const diagnosis = { code: said.code ?? 0, findings, unseen: [] }
  t.is(found(t, diagnosis, 'name-unknown').severity, 'blocks')
  t.regex(found(t, diagnosis, 'name-unknown').remedy.advice, /a line in \/etc\/hosts helps/)
  found(t, diagnosis, 'name-servers-silent')
  stage.edge.etc('hosts', '127.0.0.2 gateway.test\n')
  await patient.serve(t)
  t.is((await visit(edgeAddress.v4, 80)).node, 'a')
})

test('it finds too few descriptors for what is configured', async (t, stage) => {
  const patient = new Patient(stage, `${usual}limits: { connections: 1000 }\n`)
  const said = await run(
    stage.edge.command('prlimit', '--nofile=600', process.execPath, cli, 'doctor', '-c', patient.file),
  )
  t.regex(said.out, /descriptors-few\n.*600 files, which is enough for 172 connections of the 1000/)
})

test('a rule for some clients is a note, and names the rule', async (t, stage) => {
  const patient = new Patient(stage, usual)
  t.teardown(() => flush(patient))
  patient.shell(`iptables-nft -A INPUT -s ${clientAddress.v4}/32 -p tcp --dport 80 -j DROP`)
  const finding = found(t, await patient.diagnosis(), 'firewalled')
  t.is(finding.severity, 'note')
  t.true(finding.what.includes(`-s ${clientAddress.v4}/32`))
})

const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--inh-caps=-all'] as const

function asNobody(stage: Stage, ...args: readonly string[]) {
  execFileSync('chmod', ['-R', 'a+rX', stage.folder])
  return run(stage.edge.command('setpriv', ...nobody, process.execPath, cli, ...args))
}

/** Another program on a port, for this test. `options` as server.listen() takes them. */
async function squat(t: ExecutionContext, stage: Stage, options: string): Promise<Program> {
  const script = `require('net').createServer((s) => s.destroy()).listen(${options}, () => console.log('taken'))`
  const program = await Program.start(stage.edge.command(process.execPath, '-e', script))
  t.teardown(() => program.kill())
  await program.line(/taken/)
  return program
}
