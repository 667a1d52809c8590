import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nginxPorts } from '../helpers/nginx.ts'
import { run } from '../helpers/program.ts'
import { onStage } from './on-stage.ts'
import { clientAddress, edgeAddress, type Stage, siteNames } from './stage.ts'

const test = onStage(3, ['splice', 'net'])

const autocannon = fileURLToPath(import.meta.resolve('autocannon'))

/**
 * Ports 80 and 443 without a PROXY header, and a port for each version of it and each gateway port that
 * expects it.
 */
const proxied = [
  { version: 'v1', http: 8081, tls: 8441 },
  { version: 'v2', http: 8082, tls: 8442 },
] as const

function config(stage: Stage): string {
  const { http, tls, proxyHttp, proxyTls } = nginxPorts
  const listeners = proxied.flatMap(({ version, http, tls }) => [
    `  - { name: http-${version}, listen: "[::]:${http}", pool: http-${version} }`,
    `  - { name: tls-${version}, listen: "[::]:${tls}", pool: tls-${version} }`,
  ])
  const pools = proxied.flatMap(({ version }) => [
    `  http-${version}: { endpoints: ${stage.endpoints(proxyHttp)}, sendProxyProtocol: ${version} }`,
    `  tls-${version}: { endpoints: ${stage.endpoints(proxyTls)}, sendProxyProtocol: ${version} }`,
  ])
  return `listeners:
  - { name: http, listen: "[::]:80", pool: web }
  - { name: https, listen: "[::]:443", pool: web-tls }
${listeners.join('\n')}
pools:
  web: { endpoints: ${stage.endpoints(http)}, balance: round-robin }
  web-tls: { endpoints: ${stage.endpoints(tls)}, balance: round-robin }
${pools.join('\n')}
`
}

/**
 * curl from the clients' network. `url` names the host by an address or by a site, which is then on
 * `address`.
 */
async function curl(
  stage: Stage,
  url: string,
  address: string = edgeAddress.v4,
  ...more: readonly string[]
): Promise<string> {
  const { hostname, port, protocol } = new URL(url)
  const resolve = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}:[${address}]`
  const argv = ['curl', '--silent', '--show-error', '--fail', '--max-time', '5', '--cacert', stage.caFile]
  const said = await run([...argv, '--resolve', resolve, ...more, url])
  if (said.code !== 0) throw new Error(`curl ${url}: ${said.err}`)
  return said.out
}

test('curl gets a page over http on port 80', async (t, stage) => {
  await stage.spliceway(t, config(stage))
  t.regex(await curl(stage, 'http://one.example/'), /^node [abc]\n$/)
  t.regex(await curl(stage, 'http://one.example/', edgeAddress.v6), /^node [abc]\n$/)
})

for (const name of siteNames) {
  test(`TLS reaches the gateway unopened: ${name} on port 443 has its own certificate`, async (t, stage) => {
    await stage.spliceway(t, config(stage))
    t.regex(await curl(stage, `https://${name}/`), /^node [abc]\n$/)
    const connect = ['openssl', 's_client', '-connect', `${edgeAddress.v4}:443`, '-servername', name]
    const { out } = await run([...connect, '-CAfile', stage.caFile, '-verify_return_error'])
    t.regex(out, new RegExp(`^subject=CN = ${name}$`, 'm'))
    t.regex(out, /^Verification: OK$/m)
  })
}

test('a file of three megabytes arrives as it is, over http and https', async (t, stage) => {
  await stage.spliceway(t, config(stage))
  for (const url of ['http://one.example/file', 'https://two.example/file']) {
    const output = join(stage.folder, 'download')
    await curl(stage, url, edgeAddress.v4, '--output', output)
    t.true((await readFile(output)).equals(stage.file), url)
  }
})

for (const { version, http, tls } of proxied) {
  for (const family of ['v4', 'v6'] as const) {
    test(`the gateway's log has the client's own IP${family} address by PROXY ${version}`, async (t, stage) => {
      await stage.spliceway(t, config(stage))
      const uri = `/?${version}-${family}`
      await curl(stage, `http://one.example:${http}${uri}`, edgeAddress[family])
      await curl(stage, `https://two.example:${tls}${uri}`, edgeAddress[family])
      for (const port of [nginxPorts.proxyHttp, nginxPorts.proxyTls]) {
        const visit = new RegExp(`^visit port=${port} .* uri=${uri.replace('?', '\\?')}$`)
        const line = await Promise.any(stage.gateways.map((gateway) => gateway.line(visit)))
        const client = clientAddress[family]
        t.is(line, `visit port=${port} remote=${client} proxy=${client} peer=127.0.0.1 status=200 uri=${uri}`)
      }
    })
  }
}

/** What autocannon counts. `requests.sent` are those that it began. */
interface Fire {
  readonly errors: number
  readonly timeouts: number
  readonly non2xx: number
  readonly '2xx': number
  readonly requests: { readonly sent: number }
}

/** 1,200 requests over 20 connections. */
async function fire(url: string, ...more: readonly string[]): Promise<Fire> {
  const load = ['--amount', '1200', '--connections', '20', '--timeout', '20']
  const { out } = await run([process.execPath, autocannon, '--json', ...load, ...more, url])
  return JSON.parse(out)
}

test('a quiet run of 1,200 requests over 20 kept connections has no error', async (t, stage) => {
  const spliceway = await stage.spliceway(t, config(stage))
  const made = await fire(`http://${edgeAddress.v4}/`)
  t.like(made, { errors: 0, timeouts: 0, non2xx: 0, '2xx': 1200 })
  t.is((await spliceway.told(20)).length, 20)
  const tls = await fire(`https://${edgeAddress.v4}/`, '--servername', 'two.example')
  t.like(tls, { errors: 0, timeouts: 0, non2xx: 0, '2xx': 1200 })
})

test('a quiet run of 1,200 requests with a connection each has no error, and each has its line', async (t, stage) => {
  const spliceway = await stage.spliceway(t, config(stage))
  const made = await fire(`http://${edgeAddress.v4}/`, '--reconnectRate', '1')
  t.like(made, { errors: 0, timeouts: 0, non2xx: 0, requests: { sent: 1200 } })
  // It opens a connection more on each of its 20 lanes, and drops that without a request.
  const asked = await spliceway.told(1200, /"bytesUp":[1-9]/)
  t.is(new Set(asked.map(({ id }) => id)).size, 1200, 'ids are unique')
  t.deepEqual(
    asked.filter(({ bytesDown, cause }) => bytesDown === 0 || cause !== 'none'),
    [],
  )
})
