import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Spliceway } from '../end-to-end/spliceway.ts'
import { type DnsReply, DnsServer, type DnsServerOptions } from '../helpers/dns-server.ts'
import { NetworkNamespace, namespacesMissing } from '../helpers/netns.ts'
import { run } from '../helpers/program.ts'

const missing = namespacesMissing()
// One after the other: each moves this thread into a network for a moment.
const inNamespace = missing === null ? test.serial : test.serial.skip
if (missing !== null) test('what is skipped here', (t) => t.pass(t.log(missing) ?? missing))

const a = (address: string): DnsReply => [{ type: 'A', address, ttl: 1 }]

/** A network of its own with a name server, a gateway at 127.0.0.9:9000 and an edge that knows both by resolv.conf. */
class Scene {
  readonly namespace: NetworkNamespace
  readonly server: DnsServer
  readonly edge: Spliceway

  private constructor(namespace: NetworkNamespace, server: DnsServer, edge: Spliceway) {
    this.namespace = namespace
    this.server = server
    this.edge = edge
  }

  static async start(
    t: ExecutionContext,
    purpose: string,
    pools: string,
    replies: Readonly<Record<string, DnsReply>>,
    { conf = 'search test', ...options }: DnsServerOptions & { conf?: string } = {},
  ): Promise<Scene> {
    const namespace = NetworkNamespace.create(purpose)
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-names-'))
    t.teardown(() => {
      namespace.remove() // last: teardowns run in reverse
      rmSync(folder, { recursive: true })
    })
    namespace.etc('resolv.conf', `nameserver 127.0.0.53\n${conf}\n`)
    namespace.etc('hosts', '127.0.0.1 localhost\n127.0.0.9 listed\n')
    const leave = namespace.enter()
    const server = await DnsServer.start({ host: '127.0.0.53', port: 53, ...options })
    const gateway = createServer((socket) => socket.on('error', () => {}).end('hi')).listen(9000, '127.0.0.9')
    await once(gateway, 'listening')
    leave()
    for (const [question, reply] of Object.entries(replies)) server.replies.set(question, reply)
    const file = join(folder, 'spliceway.yaml')
    writeFileSync(
      file,
      `listeners: [{ name: http, listen: "127.0.0.1:80", pool: web }]\nworkers: 1\ndrain: { notReadyDelay: 0s, window: 0s, deadline: 20s }\npools:\n${pools}`,
    )
    const edge = await Spliceway.start(namespace, file)
    t.teardown(async () => {
      await edge.program.kill()
      gateway.close()
      await server.close()
    })
    await edge.serving()
    return new Scene(namespace, server, edge)
  }

  /** SIGTERM to the end; the deadline is 20 s, and a resolver that is waited for takes 10. */
  async stop(): Promise<{ code: number | null; ms: number }> {
    const startMs = performance.now()
    this.edge.program.tell('SIGTERM')
    const { code } = await this.edge.program.exit
    return { code, ms: performance.now() - startMs }
  }

  /** What a client of the listener is told by the gateway. */
  async talk(): Promise<string> {
    const curl = ['curl', '--silent', '--http0.9', '--max-time', '20', 'http://127.0.0.1/'] as const
    return (await run(this.namespace.command(...curl))).out
  }
}

const web = (...endpoints: string[]): string =>
  `  web: { endpoints: [${endpoints.map((endpoint) => `"${endpoint}"`).join(', ')}], refresh: 1s }\n`

const dead = Array.from({ length: 20 }, (_, i) => `dead-${i}:9000`)
const silence = Object.fromEntries(
  dead.flatMap((name) =>
    ['A', 'AAAA'].map((type) => [`${name.replace(':9000', '.test')} ${type}`, 'silence'] as const),
  ),
)

inNamespace('twenty silent names delay neither a living one nor the exit', async (t) => {
  const scene = await Scene.start(t, 'silent', web(...dead, 'gw:9000'), {
    ...silence,
    'gw.test A': a('127.0.0.9'),
  })
  t.is(await scene.talk(), 'hi')
  await scene.edge.log(/dead-7 does not resolve: no name server answers/)
  const { code, ms } = await scene.stop()
  t.is(code, 0)
  t.true(ms < 8_000, `${ms}`)
})

inNamespace(
  'a name server that is there no more holds up neither start nor exit, and the hosts file serves',
  async (t) => {
    const scene = await Scene.start(
      t,
      'gone',
      web('gw:9000', 'listed:9000'),
      {},
      { conf: 'nameserver 127.0.0.54' },
    )
    t.is(await scene.talk(), 'hi')
    const { code, ms } = await scene.stop()
    t.is(code, 0)
    t.true(ms < 8_000, `${ms}`)
  },
)

inNamespace(
  'a name server that lies changes nothing: wrong questions, and addresses of nobody',
  async (t) => {
    const scene = await Scene.start(t, 'lying', web('gw:9000', 'blocked:9000'), {
      'gw.test A': a('127.0.0.9'),
      'blocked.test A': a('0.0.0.0'),
    })
    t.is(await scene.talk(), 'hi')
    await scene.edge.log(/blocked does not resolve: the answer is 0\.0\.0\.0 \(unspecified\)/)
    scene.server.replies.set('gw.test A', 'lie')
    scene.server.replies.set('gw.test AAAA', 'lie')
    await scene.edge.log(/gw does not resolve: .*; using its last answer 127\.0\.0\.9/)
    t.is(await scene.talk(), 'hi')
    const { code, ms } = await scene.stop()
    t.is(code, 0)
    t.true(ms < 8_000, `${ms}`)
  },
)

for (const tcp of ['served', 'refused', 'silent'] as const) {
  const means = tcp === 'served' ? 'comes by TCP' : 'is none and changes nothing'
  inNamespace(`a truncated answer, TCP being ${tcp}, ${means}`, async (t) => {
    const replies = { 'gw.test A': a('127.0.0.9') }
    const pools = `  web: { dns: { name: gw.test, port: 9000, allowSpecial: true } }\n`
    const scene = await Scene.start(t, `tc-${tcp}`, pools, replies, { tcp })
    t.is(await scene.talk(), 'hi')
    const many = Array.from(
      { length: 60 },
      (_, i) => ({ type: 'A', address: `10.1.0.${i}`, ttl: 1 }) as const,
    )
    scene.server.replies.set('gw.test A', many)
    if (tcp === 'served') await scene.edge.log(/10\.1\.0\.0:9000.* joined/)
    else await scene.edge.log(/dns gw\.test A\+AAAA: .*its last answer stays in use/)
    if (tcp !== 'served') t.is(await scene.talk(), 'hi')
    const { code, ms } = await scene.stop()
    t.is(code, 0)
    t.true(ms < 8_000, `${ms}`)
  })
}

inNamespace(
  'a flapping name server costs nothing: the last answer serves, and each turn is one line',
  async (t) => {
    const scene = await Scene.start(t, 'flap', web('gw:9000'), { 'gw.test A': a('127.0.0.9') })
    for (const reply of ['SERVFAIL', 'REFUSED'] as const) {
      const from = scene.edge.mark
      for (const type of ['A', 'AAAA']) scene.server.replies.set(`gw.test ${type}`, reply)
      await scene.edge.log(/gw does not resolve: .*; using its last answer/, from)
      t.is(await scene.talk(), 'hi')
      scene.server.replies.set('gw.test A', a('127.0.0.9'))
      scene.server.replies.delete('gw.test AAAA')
      await scene.edge.log(/gw resolves again: 127\.0\.0\.9/, from)
    }
    t.is(scene.edge.program.lines.filter((line) => line.includes('resolves again')).length, 2)
    const { code, ms } = await scene.stop()
    t.is(code, 0)
    t.true(ms < 8_000, `${ms}`)
  },
)

inNamespace('another resolv.conf is used without a restart', async (t) => {
  const scene = await Scene.start(t, 'moved', web('gw:9000'), {}, { conf: '' })
  await scene.edge.log(/gw does not resolve: the name does not exist/)
  scene.server.replies.set('gw.other A', a('127.0.0.9'))
  scene.namespace.etc('resolv.conf', 'nameserver 127.0.0.53\nsearch other\n')
  await scene.edge.log(/gw resolves again: 127\.0\.0\.9|127\.0\.0\.9:9000 joined/)
  t.is(await scene.talk(), 'hi')
})
