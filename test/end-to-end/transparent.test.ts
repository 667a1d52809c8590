import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { joinHostPort } from '../../src/core/address.ts'
import { NetworkNamespace, namespacesMissing } from '../helpers/netns.ts'
import { findNginx, Nginx } from '../helpers/nginx.ts'
import { Program, run, type Said } from '../helpers/program.ts'
import { cli, Spliceway } from './spliceway.ts'

const reason = findNginx() === null ? 'nginx is not installed' : namespacesMissing()
if (reason !== null) console.warn(`transparent pools are not tested: ${reason}`)
const onRoads = reason === null ? test.serial : test.serial.skip

const edgeAddress = { v4: '10.97.0.1', v6: 'fd97::1' } as const
const client = { v4: '10.97.0.2', v6: 'fd97::2' } as const
const far = { v4: '10.96.0.2', v6: 'fd96::2' } as const
const port = 9080

/**
 * Clients, the edge, and a gateway node behind it: gateways listen on the edge itself and on the node. Every
 * test has its own, because rules stay.
 */
class Roads {
  readonly edge: NetworkNamespace
  readonly clients: NetworkNamespace
  readonly node: NetworkNamespace
  readonly folder = mkdtempSync(join(tmpdir(), 'spliceway-transparent-'))
  readonly #t: ExecutionContext

  constructor(t: ExecutionContext) {
    this.#t = t
    t.teardown(() => rmSync(this.folder, { recursive: true, force: true }))
    mkdirSync(join(this.folder, 'www'))
    const made = ['transparent-edge', 'transparent-clients', 'transparent-node'].map((purpose) => {
      const namespace = NetworkNamespace.create(purpose)
      t.teardown(() => namespace.remove())
      return namespace
    })
    const [edge, clients, node] = made
    if (edge === undefined || clients === undefined || node === undefined) throw new Error('no namespaces')
    edge.connect(
      clients,
      [`${edgeAddress.v4}/24`, `${edgeAddress.v6}/64`],
      [`${client.v4}/24`, `${client.v6}/64`],
    )
    edge.connect(node, ['10.96.0.1/24', 'fd96::1/64'], [`${far.v4}/24`, `${far.v6}/64`], 'cord')
    node.run('ip', 'route', 'add', 'default', 'via', '10.96.0.1')
    node.run('ip', '-6', 'route', 'add', 'default', 'via', 'fd96::1')
    this.edge = edge
    this.clients = clients
    this.node = node
  }

  async gateway(name: string, host: string, namespace: NetworkNamespace): Promise<Nginx> {
    const { folder } = this
    const nginx = new Nginx({ binary: findNginx() ?? '', name, host, namespace, folder, names: [] })
    await nginx.start()
    this.#t.teardown(() => nginx.kill())
    return nginx
  }

  file(config: string): string {
    const file = join(mkdtempSync(join(this.folder, 'config-')), 'spliceway.yaml')
    writeFileSync(file, `${config}\nadmin: { listen: off }\nworkers: 1\n`)
    return file
  }

  async spliceway(file: string): Promise<Spliceway> {
    const spliceway = await Spliceway.start(this.edge, file)
    this.#t.teardown(() => spliceway.program.kill())
    await spliceway.log(/"msg":"listening on/)
    return spliceway
  }

  /** What `check --explain` prints, run as it stands there. */
  async rule(file: string): Promise<void> {
    const said = await run(this.edge.command(process.execPath, cli, 'check', file, '--explain'))
    this.#t.is(said.code, 0, said.err)
    const rules = said.out.split('\n').filter((line) => line.startsWith('  ip '))
    this.#t.true(rules.length > 0, said.out)
    for (const rule of rules) this.edge.run('sh', '-c', rule.trim())
  }

  /** curl in the clients' network: prints the status, 000 when there was no answer. */
  curl(host: string, port = 80, ...more: readonly string[]): Promise<Said> {
    const words = ['-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', ...more]
    return run(this.clients.command('curl', ...words, `http://${joinHostPort(host, port)}/?${port}`))
  }
}

function pool(endpoints: string, more = ''): string {
  return `
listeners: [{ name: http, listen: "[::]:80", pool: web }]
pools: { web: { endpoints: [${endpoints}], transparent: on, connect: { timeout: 1s, budget: 2s }${more} } }`
}

/** Several pools, each behind a listener of its own. */
function pools(of: Readonly<Record<number, string>>): string {
  const all = Object.entries(of)
  return `
listeners: [${all.map(([port]) => `{ name: l${port}, listen: "[::]:${port}", pool: p${port} }`).join(', ')}]
pools: { ${all.map(([port, rest]) => `p${port}: { transparent: on, ${rest} }`).join(', ')} }`
}

const families = ['v4', 'v6'] as const

onRoads(
  "gateways on this host and on another one see the client's own address, v4 and v6, with the rules that are printed",
  async (t) => {
    const roads = new Roads(t)
    const places = [
      { where: 81, host: { v4: '127.0.0.2', v6: '[::1]' }, namespace: roads.edge },
      { where: 82, host: { v4: far.v4, v6: `[${far.v6}]` }, namespace: roads.node },
    ]
    const both = ({ v4, v6 }: { v4: string; v6: string }) => `endpoints: ["${v4}:${port}", "${v6}:${port}"]`
    const file = roads.file(pools(Object.fromEntries(places.map(({ where, host }) => [where, both(host)]))))
    await roads.rule(file)
    const spliceway = await roads.spliceway(file)
    for (const { where, host, namespace } of places) {
      for (const family of families) {
        const nginx = await roads.gateway(`${where}${family}`, host[family], namespace)
        const said = await roads.curl(edgeAddress[family], where)
        t.is(said.out, '200', `${where} ${family}: ${said.err}`)
        await nginx.line(new RegExp(`visit .*remote=${RegExp.escape(client[family])} `))
      }
    }
    const outcomes = await spliceway.told(4)
    t.deepEqual(
      outcomes.map(({ cause }) => cause),
      ['none', 'none', 'none', 'none'],
    )
    t.deepEqual(
      outcomes.map(({ endpoint }) => endpoint),
      places.flatMap(({ host }) => [`${host.v4}:${port}`, `${host.v6}:${port}`]),
      'of the own family',
    )
  },
)

onRoads('the rules that are missing are said, once, and so is that they are there', async (t) => {
  const roads = new Roads(t)
  await roads.gateway('a', '127.0.0.2', roads.edge)
  await roads.gateway('b', far.v4, roads.node)
  await roads.gateway('c', `[${far.v6}]`, roads.node)
  const hosts = ['127.0.0.2', far.v4, `[${far.v6}]`]
  const file = roads.file(pool(hosts.map((host) => `"${host}:${port}"`).join(', ')))
  const spliceway = await roads.spliceway(file)
  const rule = `ipproto tcp sport ${port} lookup 100`
  t.regex(
    await spliceway.log(/"endpoint":"127.0.0.2:9080".*Missing on this host/),
    new RegExp(
      `: ip rule add iif lo from 127.0.0.2 ${rule}; ip route add local 0.0.0.0/0 dev lo table 100\\.`,
    ),
  )
  t.regex(
    await spliceway.log(/"endpoint":"10.96.0.2:9080".*Missing on this host/),
    new RegExp(`: ip rule add iif cord from 10.96.0.2 ${rule}; ip route`),
  )
  t.regex(
    await spliceway.log(/"endpoint":"\[fd96::2\]:9080".*Missing on this host/),
    new RegExp(
      `: ip -6 rule add iif cord from fd96::2 ${rule}; ip -6 route add local ::/0 dev lo table 100\\.`,
    ),
  )
  const lost = await roads.curl(edgeAddress.v4)
  t.is(lost.out, '000')
  const [outcome] = await spliceway.told(1)
  t.is(outcome?.cause, 'endpoint-down')
  t.true(outcome?.attempts.every(({ error }) => error !== null))
  const doctor = async (): Promise<readonly { code: string; remedy: { commands: readonly string[] } }[]> => {
    const said = await run(roads.edge.command(process.execPath, cli, 'doctor', '-c', file, '--json'))
    return JSON.parse(said.out).findings
  }
  const unrouted = (await doctor()).filter(({ code }) => code === 'transparent-unrouted')
  t.deepEqual(
    unrouted.map(({ remedy }) => remedy.commands[0]),
    [
      `ip rule add iif lo from 127.0.0.2 ${rule}`,
      `ip rule add iif cord from 10.96.0.2 ${rule}`,
      `ip -6 rule add iif cord from fd96::2 ${rule}`,
    ],
  )
  await roads.rule(file)
  for (const host of hosts) {
    const name = RegExp.escape(`endpoint ${host}:${port}`)
    await spliceway.log(new RegExp(`${name}: its answers to clients' addresses come back`))
  }
  t.false((await doctor()).some(({ code }) => code === 'transparent-unrouted'))
  t.is((await roads.curl(edgeAddress.v4)).out, '200')
  t.false(
    spliceway.program.lines.some((line) => /is ejected/.test(line)),
    'what had no way back to the clients is not ejected for it',
  )
})

onRoads(
  'clients of a family that no endpoint has are refused at once; a second dial, after one or beside one, begins at the client too',
  async (t) => {
    const roads = new Roads(t)
    const nginx = await roads.gateway('a', far.v4, roads.node)
    roads.node.run('iptables', '-A', 'INPUT', '-p', 'tcp', '--dport', '2', '-j', 'DROP')
    const good = `{ address: "${far.v4}:${port}", priority: 1 }`
    const file = roads.file(
      pools({
        80: `endpoints: ["${far.v4}:${port}"], health: off`,
        81: `endpoints: ["[${far.v6}]:1", "${far.v4}:1", ${good}], health: off`,
        82: `endpoints: ["${far.v4}:2", ${good}], health: off, connect: { hedgeAfter: 50ms }`,
      }),
    )
    await roads.rule(file)
    const spliceway = await roads.spliceway(file)
    t.is((await roads.curl(edgeAddress.v6, 80)).out, '000')
    const [outcome] = await spliceway.told(1)
    t.like(outcome, { cause: 'resource', phase: 'connect', endpoint: null, attempts: [] })
    t.true((outcome?.durationMs ?? 9_999) < 1_000, 'not after the whole budget')
    for (const where of [80, 81, 82]) {
      t.is((await roads.curl(edgeAddress.v4, where)).out, '200', `${where}`)
      await nginx.line(new RegExp(`visit .*remote=${client.v4} .*uri=/\\?${where}`))
    }
    const [, , refused, unanswered] = await spliceway.told(4)
    t.deepEqual(
      refused?.attempts.map(({ endpoint, error }) => [endpoint, error]),
      [
        [`${far.v4}:1`, 'ECONNREFUSED'],
        [`${far.v4}:${port}`, null],
      ],
    )
    t.deepEqual(
      unanswered?.attempts.map(({ error }) => error),
      ['unanswered', null],
    )
  },
)

onRoads(
  'the client that a PROXY header names is the one whose address it is, whatever its form',
  async (t) => {
    const roads = new Roads(t)
    const nginx = await roads.gateway('a', far.v4, roads.node)
    const file = roads.file(
      pool(`"${far.v4}:${port}"`).replace(
        'pool: web }',
        'pool: web, acceptProxyProtocol: { from: [10.97.0.0/24] } }',
      ),
    )
    await roads.rule(file)
    const spliceway = await roads.spliceway(file)
    const named = async (header: string): Promise<string> => {
      const script = `exec 3<>/dev/tcp/${edgeAddress.v4}/80; printf '${header}GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`
      return (await run(roads.clients.command('bash', '-c', script))).out.slice(0, 12)
    }
    t.is(await named('PROXY TCP4 203.0.113.9 10.97.0.1 4000 80\\r\\n'), 'HTTP/1.1 200')
    await nginx.line(/visit .*remote=203\.0\.113\.9 /)
    t.is(await named('PROXY TCP6 ::ffff:203.0.113.10 ::ffff:10.97.0.1 4000 80\\r\\n'), 'HTTP/1.1 200')
    await nginx.line(/visit .*remote=203\.0\.113\.10 /)
    t.is(await named('PROXY UNKNOWN\\r\\n'), 'HTTP/1.1 200')
    await nginx.line(new RegExp(`visit .*remote=${client.v4} `))
    // Nobody has these, and bind() takes them and means any address of this host.
    for (const nobody of ['0.0.0.0', '224.0.0.1', '255.255.255.255'])
      t.is(await named(`PROXY TCP4 ${nobody} 10.97.0.1 4000 80\\r\\n`), '', nobody)
    const outcomes = await spliceway.told(6)
    t.deepEqual(
      outcomes.map(({ cause }) => cause),
      ['none', 'none', 'none', 'resource', 'resource', 'resource'],
    )
  },
)

onRoads('probes come from this host, and are what an endpoint is judged by', async (t) => {
  const roads = new Roads(t)
  const nginx = await roads.gateway('a', far.v4, roads.node)
  const file = roads.file(
    pool(`"${far.v4}:${port}"`, ', health: { http: { path: /probe, status: 404 }, interval: 100ms }'),
  )
  const spliceway = await roads.spliceway(file)
  t.regex(await nginx.line(/visit .*uri=\/probe/), /remote=10\.96\.0\.1 /)
  await spliceway.log(/Missing on this host/)
})

onRoads(
  'one client that has used up its ports is told apart from the endpoint and from other clients',
  async (t) => {
    const roads = new Roads(t)
    await roads.gateway('a', far.v4, roads.node)
    roads.clients.run('ip', 'address', 'add', '10.97.0.3/24', 'dev', 'cable')
    const file = roads.file(pool(`"${far.v4}:${port}"`, ', health: off'))
    await roads.rule(file)
    const spliceway = await roads.spliceway(file)
    roads.edge.run('sysctl', '-qw', 'net.ipv4.ip_local_port_range=40000 40007')
    const leave = roads.clients.enter()
    t.teardown(leave)
    const open = Array.from({ length: 9 }, () =>
      connect({ host: edgeAddress.v4, port: 80, localAddress: client.v4 }),
    )
    for (const socket of open) t.teardown(() => socket.destroy())
    await Promise.any(open.map((socket) => once(socket, 'close').catch(() => {})))
    await spliceway.log(/a client has no port left \(EADDRNOTAVAIL\)/)
    const [outcome] = await spliceway.told(1)
    t.is(outcome?.cause, 'resource')
    t.is(
      (await roads.curl(edgeAddress.v4, 80, '--interface', '10.97.0.3')).out,
      '200',
      'another client has its own',
    )
    t.false(spliceway.program.lines.some((line) => /is ejected/.test(line)))
  },
)

/** A command line of a user who has these capabilities and no other, and can get none. */
function as(...caps: readonly string[]): readonly string[] {
  const only = ['-all', ...caps].join(',')
  return [
    ...['setpriv', '--reuid', '64080', '--regid', '64080', '--clear-groups'],
    ...['--bounding-set', only, '--inh-caps', only, '--ambient-caps', only],
  ]
}

onRoads(
  'CAP_NET_RAW is enough, and without it neither a start nor a reload makes a pool transparent',
  async (t) => {
    const roads = new Roads(t)
    const nginx = await roads.gateway('a', far.v4, roads.node)
    const transparent = pool(`"${far.v4}:${port}"`).replace('[::]:80', '[::]:8080')
    const file = roads.file(transparent)
    await roads.rule(file)
    chmodSync(roads.folder, 0o755)
    chmodSync(dirname(file), 0o777)
    const argv = [process.execPath, cli, 'run', '-c', file]
    const env = { RUNTIME_DIRECTORY: join(dirname(file), 'run') }
    const [unable = '', ...args] = [...as(), ...argv]
    const refused = await run(roads.edge.command(unable, ...args), { env })
    t.is(refused.code, 78, refused.err)
    t.regex(refused.err, /pools\.web\.transparent cannot be on here: .*\(EPERM\)\n = it needs CAP_NET_RAW/)

    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace('transparent: on', 'transparent: off'))
    const plain = await Program.start(roads.edge.command(unable, ...args), { env })
    t.teardown(() => plain.kill())
    await plain.line(/"msg":"listening on/)
    writeFileSync(file, text)
    await plain.line(/configuration not reloaded, nothing has changed.*\(EPERM\)/)
    t.is((await roads.curl(edgeAddress.v4, 8080)).out, '200')
    t.regex(await nginx.line(/visit /), /remote=10\.96\.0\.1 /)
    await plain.kill()

    const [able = '', ...rest] = [...as('+net_raw'), ...argv]
    const program = await Program.start(roads.edge.command(able, ...rest), { env })
    t.teardown(() => program.kill())
    await program.line(/"msg":"listening on/)
    t.is((await roads.curl(edgeAddress.v4, 8080)).out, '200')
    await nginx.line(new RegExp(`visit .*remote=${client.v4} `))
    const status = await readFile(`/proc/${program.pid}/status`, 'utf8')
    t.regex(status, /CapEff:\t0000000000002000/, 'nothing else')
  },
)

const nft = spawnSync('env', ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'nft', '--version']).status === 0
if (!nft) console.warn('rules by the socket are not tested: nft is not installed')
const withNft = nft ? onRoads : test.serial.skip

withNft('by the socket, whoever connects to the gateway directly is left alone', async (t) => {
  const roads = new Roads(t)
  const nginx = await roads.gateway('a', far.v4, roads.node)
  await roads.gateway('b', `[${far.v6}]`, roads.node)
  const file = roads.file(pool(`"${far.v4}:${port}", "[${far.v6}]:${port}"`))
  const { out } = await run(roads.edge.command(process.execPath, cli, 'check', file, '--explain'))
  const lines = out.split('\n')
  const routes = lines.filter((line) => /^ {2}ip (-6 )?route/.test(line))
  const bySocket = lines.filter((line) => line.startsWith('    '))
  t.is(routes.length, 2)
  t.is(bySocket.length, 5)
  // An npm package of the same name must not answer for nft.
  const path = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'
  for (const line of [...routes, ...bySocket]) roads.edge.run('env', path, 'sh', '-c', line.trim())
  roads.edge.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
  roads.clients.run('ip', 'route', 'add', 'default', 'via', edgeAddress.v4)
  await roads.spliceway(file)
  t.is((await roads.curl(edgeAddress.v4)).out, '200')
  await nginx.line(new RegExp(`visit .*remote=${client.v4} `))
  t.is((await roads.curl(edgeAddress.v6)).out, '200')
  t.is((await roads.curl(far.v4, port)).out, '200', 'by way of the edge, without the program')
})
