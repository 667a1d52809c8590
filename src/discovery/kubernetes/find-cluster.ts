import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { joinHostPort } from '../../core/address.ts'
import { type Cluster, unreadable } from './cluster.ts'
import { readKubeconfig, serverUrl } from './kubeconfig.ts'
import { ShapeError } from './received.ts'

export interface Whereabouts {
  /** A kubeconfig that the configuration names; null: found by itself. */
  readonly kubeconfig: string | null
  /**
   * Instead of the address that was found: in a pod of the host's network that is a ClusterIP, which works
   * only while kube-proxy or the CNI does. null: as found.
   */
  readonly server: string | null
  readonly env: Readonly<Record<string, string | undefined>>
}

export type ClusterFound =
  | { readonly kind: 'cluster'; readonly cluster: Cluster }
  /** A sentence for status and log, with what to do. */
  | { readonly kind: 'none'; readonly reason: string }

/** Where the kubelet puts it (k8s.io/client-go/rest, InClusterConfig). */
const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount'

/** In every serving certificate of an API server, whatever address it is reached by. */
const inClusterName = 'kubernetes.default.svc'

/**
 * Looks for the API server: the kubeconfig of the configuration, $KUBECONFIG, this pod's service account,
 * ~/.kube/config. The first that is there counts, also when it is broken. Rejects only for a bug.
 */
export async function findCluster(
  { kubeconfig, server, env }: Whereabouts,
  folder = serviceAccount,
): Promise<ClusterFound> {
  try {
    const cluster = await located(kubeconfig, env, folder)
    if (cluster === null) return { kind: 'none', reason: `no API server is known: ${hint(env, folder)}` }
    return { kind: 'cluster', cluster: server === null ? cluster : moved(cluster, server) }
  } catch (error) {
    if (error instanceof ShapeError) return { kind: 'none', reason: error.message }
    throw error
  }
}

function hint({ KUBERNETES_SERVICE_HOST: host = '' }: Whereabouts['env'], folder: string): string {
  return host === ''
    ? 'set KUBECONFIG, or run in a pod with a service account'
    : `this pod has no ${join(folder, 'token')} (automountServiceAccountToken?), and KUBECONFIG is not set`
}

async function located(
  kubeconfig: string | null,
  env: Whereabouts['env'],
  folder: string,
): Promise<Cluster | null> {
  const named = kubeconfig ?? env.KUBECONFIG ?? ''
  if (named !== '') return fromFile(named)
  const pod = inPod(env, folder)
  if (pod !== null) return pod
  const home = join(env.HOME ?? '/', '.kube/config')
  return existsSync(home) ? fromFile(home) : null
}

async function fromFile(file: string): Promise<Cluster> {
  if (file.includes(':')) throw new ShapeError(`${file}: several kubeconfigs cannot be merged here; name one`)
  try {
    return readKubeconfig(await readFile(file, 'utf8'), file)
  } catch (error) {
    if (error instanceof ShapeError) throw error
    throw new ShapeError(unreadable(file, error), error)
  }
}

function inPod(env: Whereabouts['env'], folder: string): Cluster | null {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = env
  if (host === '' || !existsSync(join(folder, 'token'))) return null
  return {
    from: 'this pod',
    server: serverUrl(`https://${joinHostPort(host, Number(port))}`, 'KUBERNETES_SERVICE_HOST'),
    serverName: null,
    ca: { kind: 'file', file: join(folder, 'ca.crt') },
    insecure: false,
    token: { kind: 'file', file: join(folder, 'token') },
    certificate: null,
  }
}

/**
 * The certificate stays that of the cluster: of a kubeconfig its server's name, in a pod the one that all
 * have.
 */
function moved(cluster: Cluster, to: string): Cluster {
  const server = serverUrl(to, 'the API server of the configuration')
  const name = cluster.from === 'this pod' ? inClusterName : new URL(cluster.server).hostname
  return { ...cluster, server, serverName: cluster.serverName ?? name.replace(/^\[|\]$/g, '') }
}
