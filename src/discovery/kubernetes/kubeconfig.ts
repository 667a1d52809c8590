import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import type { Cluster, Material } from './cluster.ts'
import { Received, ShapeError } from './received.ts'

/**
 * Reads the text of a kubeconfig (client-go's tools/clientcmd/api/v1): its current context, with token,
 * tokenFile or client certificate. Throws ShapeError when it is broken, or asks for what is not supported;
 * the message says what to do instead. Relative files are relative to the kubeconfig's folder.
 */
export function readKubeconfig(text: string, file: string): Cluster {
  const config = new Received(yaml(text, file), file)
  const current = config.get('current-context').textOr('')
  if (current === '') throw new ShapeError(`${file}: there is no current-context; set one`)
  const context = named(config, 'contexts', current, file).get('context')
  const cluster = named(config, 'clusters', context.get('cluster').text(), file).get('cluster')
  const userName = context.get('user').textOr('')
  const user =
    userName === '' ? new Received(null, 'user') : named(config, 'users', userName, file).get('user')
  refuseUnsupported(cluster, user, file)
  const material = (from: Received, data: string, path: string) => readMaterial(from, data, path, file)
  const ca = material(cluster, 'certificate-authority-data', 'certificate-authority')
  const insecure = cluster.get('insecure-skip-tls-verify').flagOr(false)
  if (insecure && ca !== null) {
    throw new ShapeError(`${file}: insecure-skip-tls-verify and a certificate-authority exclude each other`)
  }
  return {
    from: file,
    server: serverUrl(cluster.get('server').text(), file),
    serverName: cluster.get('tls-server-name').textOr(null),
    ca,
    insecure,
    token: readToken(user, file),
    certificate: certificate(
      material(user, 'client-certificate-data', 'client-certificate'),
      material(user, 'client-key-data', 'client-key'),
      file,
    ),
  }
}

/** `https://host:port`, with a path where there is one. Throws ShapeError. */
export function serverUrl(text: string, file: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new ShapeError(`${file}: the server must be a URL such as https://10.0.0.1:6443`)
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

function yaml(text: string, file: string): unknown {
  try {
    return parse(text, { logLevel: 'error', prettyErrors: false })
  } catch {
    // The parser's message shows the lines around the fault, and those may be a key.
    throw new ShapeError(`${file}: not YAML`)
  }
}

function named(config: Received, list: string, name: string, file: string): Received {
  const found = config
    .get(list)
    .list()
    .find((item) => item.get('name').text() === name)
  if (found === undefined) throw new ShapeError(`${file}: there is no \`${name}\` in ${list}`)
  return found
}

/** Refuses what would otherwise be ignored: every answer would then be a 401 that nobody could explain. */
function refuseUnsupported(cluster: Received, user: Received, file: string): void {
  const instead = 'use a token of a ServiceAccount (tokenFile) or a client certificate'
  const refused = [
    ['exec', user, 'credential plugins (exec) are not supported: they would run a program on this host'],
    ['auth-provider', user, 'auth-provider is not supported: Kubernetes removed it in 1.26'],
    ['username', user, 'username and password are not supported: Kubernetes removed them in 1.19'],
    ['as', user, 'impersonation (as) is not supported'],
    ['proxy-url', cluster, 'proxy-url is not supported'],
  ] as const
  for (const [key, where, message] of refused) {
    if (where.get(key).absent) continue
    throw new ShapeError(
      `${file}: ${message}; ${key === 'proxy-url' ? 'reach the server directly' : instead}`,
    )
  }
}

/** client-go prefers the file: it is the one that is renewed. */
function readToken(user: Received, file: string): Material | null {
  const path = user.get('tokenFile').textOr('')
  if (path !== '') return { kind: 'file', file: resolve(dirname(file), path) }
  const text = user.get('token').textOr('')
  return text === '' ? null : { kind: 'text', text }
}

/** `data` is base64 and wins, as in client-go. */
function readMaterial(from: Received, data: string, path: string, file: string): Material | null {
  const encoded = from.get(data).textOr('')
  if (encoded !== '') return { kind: 'text', text: Buffer.from(encoded, 'base64').toString('utf8') }
  const name = from.get(path).textOr('')
  return name === '' ? null : { kind: 'file', file: resolve(dirname(file), name) }
}

function certificate(cert: Material | null, key: Material | null, file: string): Cluster['certificate'] {
  if (cert === null && key === null) return null
  if (cert === null || key === null) {
    throw new ShapeError(`${file}: a client-certificate and its client-key belong together; one is missing`)
  }
  return { cert, key }
}
