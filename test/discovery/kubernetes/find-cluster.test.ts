import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Cluster } from '../../../src/discovery/kubernetes/cluster.ts'
import { findCluster } from '../../../src/discovery/kubernetes/find-cluster.ts'
import { readKubeconfig } from '../../../src/discovery/kubernetes/kubeconfig.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** A kubeconfig of two clusters; `cluster` and `user` are the lines of the current ones. */
function kubeconfig(cluster: string, user: string): string {
  return `
apiVersion: v1
kind: Config
current-context: edge
preferences: {}
contexts:
  - { name: other, context: { cluster: other, user: other } }
  - { name: edge, context: { cluster: here, user: me, namespace: gateway } }
clusters:
  - { name: other, cluster: { server: "https://192.0.2.1" } }
  - name: here
    cluster: { ${cluster} }
users:
  - { name: other, user: { token: wrong } }
  - name: me
    user: { ${user} }
`
}

const server = 'server: "https://10.0.0.1:6443/"'
const file = '/etc/edge/kubeconfig'
const bare: Cluster = {
  from: file,
  server: 'https://10.0.0.1:6443',
  serverName: null,
  ca: null,
  insecure: false,
  token: null,
  certificate: null,
}
const text = (of: string) => ({ kind: 'text', text: of }) as const
const at = (path: string) => ({ kind: 'file', file: path }) as const

const table: readonly (readonly [string, string, string, Partial<Cluster>])[] = [
  ['a token', server, 'token: abc', { token: text('abc') }],
  ['a token file, relative to the kubeconfig', server, 'tokenFile: token', { token: at('/etc/edge/token') }],
  [
    'a token file wins over a token',
    server,
    'token: abc, tokenFile: /run/token',
    { token: at('/run/token') },
  ],
  [
    'a client certificate as data',
    server,
    `client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}`,
    { certificate: { cert: text('CERT'), key: text('KEY') } },
  ],
  [
    'a client certificate in files',
    server,
    'client-certificate: pki/me.crt, client-key: ../me.key',
    { certificate: { cert: at('/etc/edge/pki/me.crt'), key: at('/etc/me.key') } },
  ],
  ['an authority as data', `${server}, certificate-authority-data: ${base64('CA')}`, '', { ca: text('CA') }],
  ['an authority in a file', `${server}, certificate-authority: ca.crt`, '', { ca: at('/etc/edge/ca.crt') }],
  ['no verification', `${server}, insecure-skip-tls-verify: true`, '', { insecure: true }],
  ['another name', `${server}, tls-server-name: kubernetes`, '', { serverName: 'kubernetes' }],
  [
    'a path',
    'server: "https://rancher/k8s/clusters/c-1"',
    '',
    { server: 'https://rancher/k8s/clusters/c-1' },
  ],
  ['IPv6', 'server: "https://[2001:DB8::1]:6443"', '', { server: 'https://[2001:db8::1]:6443' }],
]

for (const [name, cluster, user, expected] of table) {
  test(`kubeconfig: ${name}`, (t) => {
    t.deepEqual(readKubeconfig(kubeconfig(cluster, user), file), { ...bare, ...expected })
  })
}

const instead = 'use a token of a ServiceAccount (tokenFile) or a client certificate'
const refused: readonly (readonly [string, string, string])[] = [
  [
    'exec',
    kubeconfig(server, 'exec: { command: aws }'),
    `credential plugins (exec) are not supported: they would run a program on this host; ${instead}`,
  ],
  [
    'auth-provider',
    kubeconfig(server, 'auth-provider: { name: gcp }'),
    `auth-provider is not supported: Kubernetes removed it in 1.26; ${instead}`,
  ],
  [
    'a password',
    kubeconfig(server, 'username: me, password: secret'),
    `username and password are not supported: Kubernetes removed them in 1.19; ${instead}`,
  ],
  ['impersonation', kubeconfig(server, 'as: admin'), `impersonation (as) is not supported; ${instead}`],
  [
    'a proxy',
    kubeconfig(`${server}, proxy-url: "http://proxy"`, ''),
    'proxy-url is not supported; reach the server directly',
  ],
  [
    'half a client certificate',
    kubeconfig(server, 'client-key: key.pem'),
    'a client-certificate and its client-key belong together; one is missing',
  ],
  [
    'an authority that is not looked at',
    kubeconfig(`${server}, insecure-skip-tls-verify: true, certificate-authority: ca.crt`, ''),
    'insecure-skip-tls-verify and a certificate-authority exclude each other',
  ],
  ['no URL', kubeconfig('server: 10.0.0.1', ''), 'the server must be a URL such as https://10.0.0.1:6443'],
  ['no context', 'apiVersion: v1', 'there is no current-context; set one'],
  [
    'a context that is not there',
    kubeconfig(server, '').replace('name: edge', 'name: gone'),
    'there is no `edge` in contexts',
  ],
  [
    'a user that is not there',
    kubeconfig(server, '').replace('- name: me', '- name: you'),
    'there is no `me` in users',
  ],
  ['no YAML', 'token: [secret', 'not YAML'],
]

for (const [name, config, message] of refused) {
  test(`kubeconfig, refused: ${name}`, (t) => {
    t.throws(() => readKubeconfig(config, file), { message: `${file}: ${message}` })
  })
}

test('kubeconfig: a message never holds a secret', (t) => {
  const { message = '' } =
    t.throws(() => readKubeconfig(kubeconfig('server: [1]', 'token: s3cret'), file)) ?? {}
  t.is(message, `${file}.clusters[1].cluster.server: expected text, got a list`)
})

class Home {
  readonly folder = mkdtempSync(join(tmpdir(), 'spliceway-home-'))

  constructor(t: ExecutionContext) {
    t.teardown(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  write(name: string, content: string): string {
    const path = join(this.folder, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, content)
    return path
  }
}

const pod = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' }

/** What is found of a cluster, or why nothing. */
async function found(
  env: Readonly<Record<string, string | undefined>>,
  account = '/nowhere',
  options: { readonly kubeconfig?: string; readonly server?: string } = {},
) {
  const result = await findCluster(
    { kubeconfig: options.kubeconfig ?? null, server: options.server ?? null, env },
    account,
  )
  return result.kind === 'cluster' ? result.cluster : result.reason
}

test('in a pod: the service account, read from its files each time', async (t) => {
  const home = new Home(t)
  home.write('token', 'abc')
  t.deepEqual(await found(pod, home.folder), {
    from: 'this pod',
    server: 'https://10.96.0.1',
    serverName: null,
    ca: at(join(home.folder, 'ca.crt')),
    insecure: false,
    token: at(join(home.folder, 'token')),
    certificate: null,
  })
})

test('in a pod with IPv6', async (t) => {
  const home = new Home(t)
  home.write('token', 'abc')
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }
  t.like(await found(env, home.folder), { server: 'https://[fd00::1]:6443' })
})

test('in a pod, another address of the API server: the certificate is still that of the cluster', async (t) => {
  const home = new Home(t)
  home.write('token', 'abc')
  t.like(await found(pod, home.folder, { server: 'https://127.0.0.1:7443' }), {
    server: 'https://127.0.0.1:7443',
    serverName: 'kubernetes.default.svc',
  })
})

test('the kubeconfig of the configuration, then KUBECONFIG, then the pod, then the home folder', async (t) => {
  const home = new Home(t)
  home.write('token', 'abc')
  const named = (host: string) => kubeconfig(`server: "https://${host}"`, '')
  const mine = home.write('mine', named('mine'))
  const KUBECONFIG = home.write('theirs', named('theirs'))
  home.write('.kube/config', named('home'))
  const env = { ...pod, KUBECONFIG, HOME: home.folder }
  t.like(await found(env, home.folder, { kubeconfig: mine }), { server: 'https://mine' })
  t.like(await found(env, home.folder), { server: 'https://theirs' })
  t.like(await found({ ...env, KUBECONFIG: '' }, home.folder), { server: 'https://10.96.0.1' })
  t.like(await found({ HOME: home.folder }), { server: 'https://home' })
})

test('a kubeconfig with another address keeps the name of its server', async (t) => {
  const home = new Home(t)
  const mine = home.write('mine', kubeconfig('server: "https://api.example.com"', ''))
  const moved = await found({}, '/nowhere', { kubeconfig: mine, server: 'https://10.0.0.9:6443' })
  t.like(moved, { server: 'https://10.0.0.9:6443', serverName: 'api.example.com' })
})

test('nothing is found: what to do', async (t) => {
  const reason = 'no API server is known: set KUBECONFIG, or run in a pod with a service account'
  t.is(await found({ HOME: '/nowhere' }), reason)
  t.is(
    await found({ ...pod, HOME: '/nowhere' }),
    'no API server is known: this pod has no /nowhere/token (automountServiceAccountToken?), and KUBECONFIG is not set',
  )
})

test('several kubeconfigs, and one that is not there', async (t) => {
  t.is(await found({ KUBECONFIG: '/a:/b' }), '/a:/b: several kubeconfigs cannot be merged here; name one')
  t.regex(
    String(await found({ KUBECONFIG: '/nowhere/config' })),
    /^\/nowhere\/config cannot be read: it is missing$/,
  )
})

test('a folder is no kubeconfig, and is not taken for a firewall', async (t) => {
  const home = new Home(t)
  t.is(await found({ KUBECONFIG: home.folder }), `${home.folder} cannot be read: it is a folder`)
})
