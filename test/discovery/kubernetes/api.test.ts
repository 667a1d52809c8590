import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Api } from '../../../src/discovery/kubernetes/api.ts'
import type { Cluster } from '../../../src/discovery/kubernetes/cluster.ts'
import { CertificateError, explained } from '../../../src/discovery/kubernetes/connect-error.ts'
import { certificate } from '../../helpers/certificate.ts'
import { addresses, Bench, serverCertificate, slice } from './bench.ts'

const signal = new AbortController().signal
const path = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'

function connect(t: ExecutionContext, bench: Bench, changes: Partial<Cluster>): Api {
  const api = bench.connect(changes)
  t.teardown(() => api.close())
  return api
}

/** The status of an answer, or why there is none. */
async function ask(api: Api): Promise<number | string> {
  try {
    const { status, body } = await api.get(path, {}, signal)
    for await (const _ of body);
    return status
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

test('a client certificate is enough', async (t) => {
  const client = certificate(['operator'])
  const bench = await Bench.start(t, { tokens: [], clientCa: client.cert })
  const mine = {
    cert: { kind: 'text', text: client.cert },
    key: { kind: 'text', text: client.key },
  } as const
  t.is(await ask(connect(t, bench, { token: null, certificate: mine })), 200)
  t.is(await ask(connect(t, bench, { token: null })), 401)
})

test('authority and certificate are read from their files for each connection', async (t) => {
  const client = certificate(['operator'])
  const bench = await Bench.start(t, { tokens: [], clientCa: client.cert })
  const file = (name: string) => ({ kind: 'file', file: join(bench.folder, name) }) as const
  const api = connect(t, bench, {
    token: null,
    ca: file('ca.crt'),
    certificate: { cert: file('tls.crt'), key: file('tls.key') },
  })
  t.is(await ask(api), `${join(bench.folder, 'ca.crt')} cannot be read: it is missing`)
  writeFileSync(join(bench.folder, 'ca.crt'), client.cert)
  writeFileSync(join(bench.folder, 'tls.crt'), client.cert)
  writeFileSync(join(bench.folder, 'tls.key'), client.key)
  const wrong =
    "the certificate-authority of test has not signed the server's certificate (self-signed certificate)"
  t.is(await ask(api), wrong)
  writeFileSync(join(bench.folder, 'ca.crt'), 'half a fi')
  t.is(await ask(api), 'certificate-authority of test holds no certificate (PEM)')
  writeFileSync(join(bench.folder, 'ca.crt'), serverCertificate.cert)
  t.is(await ask(api), 200)
})

test('a client certificate that is replaced is used at once, also on a connection that is open', async (t) => {
  const client = certificate(['operator'])
  const other = certificate(['nobody'])
  const bench = await Bench.start(t, { tokens: [], clientCa: client.cert })
  const file = (name: string) => ({ kind: 'file', file: join(bench.folder, name) }) as const
  const write = ({ cert, key }: typeof client) => {
    writeFileSync(join(bench.folder, 'tls.crt'), cert)
    writeFileSync(join(bench.folder, 'tls.key'), key)
  }
  const mine = { token: null, certificate: { cert: file('tls.crt'), key: file('tls.key') } }
  const api = connect(t, bench, mine)
  write(other)
  t.is(await ask(api), 401)
  write(client)
  t.is(await ask(api), 200)
  writeFileSync(join(bench.folder, 'tls.key'), other.key)
  t.regex(String(await ask(api)), /^client-certificate and client-key of test cannot be used: .*mismatch/)
  write(client)
  t.is(await ask(api), 200)
  await bench.until(() => bench.server.connections === 1)
})

test('what the files say when they are wrong', async (t) => {
  const bench = await Bench.start(t)
  const text = (pem: string) => ({ kind: 'text', text: pem }) as const
  const broken = '-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n'
  t.regex(
    String(await ask(connect(t, bench, { ca: text(broken) }))),
    /^certificate-authority of test is broken: /,
  )
  const nonsense = { cert: text('x'), key: text('y') }
  t.regex(
    String(await ask(connect(t, bench, { certificate: nonsense }))),
    /^client-certificate and client-key of test cannot be used: /,
  )
})

test('an address may stand for the name in the certificate: verified, and not sent as a name', async (t) => {
  const named = certificate(['10.0.0.1', 'api.example'])
  const bench = await Bench.start(t, { certificate: named })
  const ca = { kind: 'text', text: named.cert } as const
  t.is(await ask(connect(t, bench, { ca, serverName: '10.0.0.1' })), 200)
  t.regex(
    String(await ask(connect(t, bench, { ca, serverName: '10.0.0.2' }))),
    /^the server's certificate is for another name .*10\.0\.0\.2/,
  )
  const other = certificate(['fd00::1'])
  const six = await Bench.start(t, { certificate: other })
  t.is(await ask(connect(t, six, { ca: { kind: 'text', text: other.cert }, serverName: 'fd00::1' })), 200)
})

test('http to a server that speaks https, and the reverse, say so', async (t) => {
  const bench = await Bench.start(t)
  const { port } = bench.server
  const clear = String(await ask(connect(t, bench, { server: `http://127.0.0.1:${port}` })))
  t.regex(clear, /; the URL says http: does the server speak https\?$/)
  const plain = createServer((_, response) => response.end())
  plain.listen(0, '127.0.0.1')
  await once(plain, 'listening')
  t.teardown(() => plain.close())
  const { port: plainPort } = plain.address() as AddressInfo
  t.regex(
    String(await ask(connect(t, bench, { server: `https://127.0.0.1:${plainPort}` }))),
    /^the URL says https, but the server speaks http /,
  )
})

test('a server whose certificate is of nobody we trust is not asked', async (t) => {
  const bench = await Bench.start(t)
  t.is(
    await ask(connect(t, bench, { ca: null })),
    "test has no certificate-authority, and nobody whom this host trusts has signed the server's certificate (self-signed certificate)",
  )
  t.deepEqual(bench.server.asked, [])
})

test('the name in the certificate may be another than the address', async (t) => {
  const mine = certificate(['kubernetes.default.svc'])
  const bench = await Bench.start(t, { certificate: mine })
  const ca = { kind: 'text', text: mine.cert } as const
  t.regex(String(await ask(connect(t, bench, { ca }))), /altnames/)
  t.is(await ask(connect(t, bench, { ca, serverName: 'kubernetes.default.svc' })), 200)
})

test('a certificate whose time is over, or has not come, may be the fault of the clock', async (t) => {
  const bench = await Bench.start(t)
  for (const code of ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']) {
    const error = explained(Object.assign(new Error('certificate has expired'), { code }), bench.cluster())
    t.true(error instanceof CertificateError)
    t.regex(
      String(error),
      /the server's certificate, or this host's clock, is wrong: certificate has expired/,
    )
  }
})

test('insecure-skip-tls-verify asks anybody', async (t) => {
  const bench = await Bench.start(t)
  t.is(await ask(connect(t, bench, { ca: null, insecure: true })), 200)
})

test('an API server with an IPv6 address', async (t) => {
  const bench = await Bench.start(t, { host: '::1' })
  const api = connect(t, bench, { server: `https://[::1]:${bench.server.port}` })
  t.is(await ask(api), 200)
})

test('a path in front of the API is kept', async (t) => {
  const bench = await Bench.start(t)
  const api = connect(t, bench, { server: `https://127.0.0.1:${bench.server.port}/k8s/clusters/c-1/` })
  t.is(await ask(api), 404)
})

test('a token that would be another header is never sent', async (t) => {
  const bench = await Bench.start(t)
  bench.writeToken('good\r\nx-remote-user: admin')
  t.is(await ask(connect(t, bench, {})), 'the token must be printable ASCII without blanks, and it is not')
  t.deepEqual(bench.server.asked, [])
})

test('one connection serves one question after the other', async (t) => {
  const bench = await Bench.start(t)
  const api = connect(t, bench, {})
  for (let i = 0; i < 5; i++) t.is(await ask(api), 200)
  t.is(bench.server.connections, 1)
  await api.close()
  await bench.until(() => bench.server.connections === 0)
  t.is(await ask(api), 'the connection to the API server is closed')
})

test('two pools of one API server share it', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(
    slice('kong-a', ['10.0.0.1'], {
      ports: [
        { name: 'http', port: 80 },
        { name: 'tls', port: 443 },
      ],
    }),
  )
  const web = bench.source()
  const tls = bench.source({ pool: 'web-tls', port: 'tls' })
  await Promise.all([web.first, tls.first])
  t.deepEqual([addresses(web), addresses(tls)], [['10.0.0.1:80'], ['10.0.0.1:443']])
  web.stop()
  tls.stop()
})
