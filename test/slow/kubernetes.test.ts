import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Config } from '../../src/config/config.ts'
import { ApiServer } from '../helpers/api-server.ts'
import { certificate, hasOpenssl } from '../helpers/certificate.ts'
import { configOf, Forwarder } from '../helpers/forwarder.ts'
import { Backend, dialPeer, echo } from '../helpers/peer.ts'

const openssl = hasOpenssl ? test : test.skip
if (!hasOpenssl) test('skipped: openssl is not installed', (t) => t.pass())

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** An API server that knows one Service with one backend, a program that has not found it yet, and its kubeconfig. */
async function scene(t: ExecutionContext, settings: { readonly names?: readonly string[] } = {}) {
  const own = certificate(settings.names ?? ['127.0.0.1'])
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-kubernetes-'))
  const server = await ApiServer.start({ certificate: own, tokens: ['good'], lenient: true })
  const [first, second] = [
    await Backend.start({ onPeer: echo }),
    await Backend.start({ onPeer: (peer) => peer.end('other') }),
  ]
  t.teardown(async () => {
    await server.stop()
    await first.close()
    await second.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const serve = ({ port }: Backend) => server.set(slice(port))
  serve(first)
  const file = join(folder, 'kubeconfig')
  const write = (changes: { readonly token?: string; readonly cluster?: object } = {}) => {
    const { token = 'good', cluster = {} } = changes
    writeFileSync(file, kubeconfig(`https://127.0.0.1:${server.port}`, own.cert, token, cluster))
  }
  const start = async (kubernetes: Partial<Config['kubernetes']> = {}) => {
    const common = { apiServer: null, kubeconfig: file, node: null, zone: null, snapshots: folder }
    const options = {
      plane: 'net',
      pool: { discovery: pool },
      config: { kubernetes: { ...common, ...kubernetes } },
    } as const
    const source = {
      name: 'edge.yaml',
      load: () => ({ kind: 'ok', config: configOf(options), warnings: [] }) as const,
    }
    const forwarder = await Forwarder.start({ ...options, source })
    t.teardown(() => forwarder.close())
    return forwarder
  }
  return { server, folder, file, first, second, serve, write, start }
}

const pool = {
  kind: 'kubernetes',
  namespace: 'default',
  service: 'gw',
  port: 'http',
  locality: 'any',
  allowSpecial: true,
} as const

function slice(port: number) {
  return {
    metadata: {
      name: 'gw-1',
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': 'gw' },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port, protocol: 'TCP' }],
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
  }
}

function kubeconfig(server: string, ca: string, token: string, changes: object): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'edge',
    contexts: [{ name: 'edge', context: { cluster: 'here', user: 'me' } }],
    clusters: [{ name: 'here', cluster: { server, 'certificate-authority-data': base64(ca), ...changes } }],
    users: [{ name: 'me', user: { token } }],
  })
}

async function talk(forwarder: Forwarder): Promise<string> {
  const client = await dialPeer(forwarder.port)
  client.end('hi')
  return (await client.readAll()).bytes.toString()
}

function discovery(forwarder: Forwarder) {
  return forwarder.app.status().pools[0]?.discovery
}

/** A pause of the source, 5 s at most, on a machine that is busy. */
const slowMs = 30_000

/** The pool has this endpoint and no other. */
async function has(forwarder: Forwarder, { port }: Backend): Promise<void> {
  const ids = () => forwarder.app.status().pools[0]?.endpoints.map(({ endpoint }) => endpoint)
  await forwarder.until(() => ids()?.join() === `127.0.0.1:${port}`, slowMs)
}

openssl(
  'a kubeconfig that is missing: the copy is used, and the file is found when it is there',
  async (t) => {
    const { folder, file, first, second, serve, write, start } = await scene(t)
    const list = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSliceList',
      metadata: { resourceVersion: '1' },
    }
    writeFileSync(
      join(folder, 'kubernetes-main.json'),
      JSON.stringify({ ...list, items: [slice(first.port)] }),
    )
    serve(second)
    const forwarder = await start()
    t.is(await talk(forwarder), 'hi')
    t.like(discovery(forwarder), {
      state: 'known',
      failing: { reason: `${file} cannot be read: it is missing` },
      endpoints: 1,
    })
    t.true(
      (await forwarder.metric('spliceway_discovery_failures_total{pool="main",kind="credentials"}')) >= 1,
    )
    write()
    await has(forwarder, second)
    t.is(await talk(forwarder), 'other')
    t.like(discovery(forwarder), { failing: null })
    await forwarder.line(/is followed again after/)
  },
)

for (const [name, content] of [
  ['half a file', '{"current-context": "edge", "clus'],
  ['another file', 'hello'],
  ['an empty file', ''],
] as const) {
  openssl(
    `a kubeconfig that is broken (${name}): a reload changes nothing, the file mended does`,
    async (t) => {
      const { file, first, write, start } = await scene(t)
      writeFileSync(file, content)
      const forwarder = await start()
      t.like(discovery(forwarder), { state: 'none' })
      t.true(discovery(forwarder)?.reason.includes(file), discovery(forwarder)?.reason)
      t.true((await forwarder.app.reload()).ok)
      t.like(discovery(forwarder), { state: 'none' })
      write()
      await has(forwarder, first)
      t.is(await talk(forwarder), 'hi')
    },
  )
}

openssl('a token inside a kubeconfig that is replaced is used for the next request', async (t) => {
  const { server, first, second, serve, write, start } = await scene(t)
  write()
  const forwarder = await start()
  await has(forwarder, first)
  await server.until(() => server.watches === 1)
  server.tokens = ['renewed']
  write({ token: 'renewed' })
  server.breakWatches('', 'reset')
  await server.until(() => server.watches === 0)
  serve(second)
  await has(forwarder, second)
  t.is(server.asked.at(-1)?.token, 'renewed')
})

openssl(
  'kubernetes.apiServer moves a cluster whose server is an address; so does tls-server-name',
  async (t) => {
    const { server, first, write, start } = await scene(t, { names: ['10.96.0.1'] })
    const url = `https://127.0.0.1:${server.port}`
    write({ cluster: { server: 'https://10.96.0.1:6443' } })
    await has(await start({ apiServer: url, snapshots: null }), first)
    write({ cluster: { 'tls-server-name': '10.96.0.1' } })
    const forwarder = await start({ snapshots: null })
    await has(forwarder, first)
    t.is(await talk(forwarder), 'hi')
  },
)

openssl('a wrong authority names the line of the kubeconfig, and is mended without a reload', async (t) => {
  const { file, first, write, start } = await scene(t)
  const wrong = certificate(['127.0.0.1']).cert
  write({ cluster: { 'certificate-authority-data': base64(wrong) } })
  const forwarder = await start()
  await forwarder.line(/cannot be followed/)
  t.is(
    discovery(forwarder)?.reason,
    `cannot be asked for: the certificate-authority of ${file} has not signed the server's certificate (self-signed certificate)`,
  )
  write()
  await has(forwarder, first)
})

openssl('a change while the API server restarts is in use within seconds of its return', async (t) => {
  const { server, first, second, serve, write, start } = await scene(t)
  write()
  const forwarder = await start()
  await has(forwarder, first)
  for (const backend of [second, first, second]) {
    await server.until(() => server.watches === 1)
    await server.crash()
    await forwarder.until(() => discovery(forwarder)?.failing !== null)
    serve(backend)
    await server.revive()
    await has(forwarder, backend)
  }
  t.is(await talk(forwarder), 'other')
})

openssl('scale to 0 and back is a line each, and the first says that no Pod is there', async (t) => {
  const { server, first, second, serve, write, start } = await scene(t)
  write()
  const forwarder = await start()
  await has(forwarder, first)
  await server.until(() => server.watches === 1)
  const since = forwarder.lines.length
  server.set({ ...slice(first.port), ports: null, endpoints: null })
  await forwarder.until(() => discovery(forwarder)?.endpoints === 0)
  serve(second)
  await has(forwarder, second)
  t.deepEqual(
    forwarder.lines.slice(since).map(({ message }) => message),
    [
      `pool main: kubernetes default/gw http has no endpoint any more: no Pod is there (it is scaled to 0, or its selector fits none); it had 127.0.0.1:${first.port}`,
      `pool main: 127.0.0.1:${second.port} joined; 1 of 1 endpoints up`,
    ],
  )
})
