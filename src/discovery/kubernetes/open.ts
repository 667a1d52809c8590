import { join } from 'node:path'
import type { KubernetesConfig, KubernetesPoolConfig } from '../../config/config.ts'
import type { Source, SourceDeps } from '../source.ts'
import { connectCluster } from './api.ts'
import { findCluster } from './find-cluster.ts'
import { kubernetesSource } from './kubernetes-source.ts'

/** For the API server's audit log. */
const program = 'spliceway'

/**
 * The source of a pool with `kubernetes`, with connections of its own: a watch occupies one all the time. The
 * API server is looked for anew at each request: what is missing or broken now may be there the next time.
 */
export function openKubernetes(
  pool: string,
  { namespace, service, port, locality }: KubernetesPoolConfig,
  { apiServer, kubeconfig, node, zone, snapshots }: KubernetesConfig,
  deps: SourceDeps,
): Source {
  const whereabouts = { kubeconfig, server: apiServer, env: process.env }
  const api = connectCluster(() => findCluster(whereabouts), program)
  const source = kubernetesSource(
    {
      pool,
      service: { namespace, name: service },
      port,
      locality,
      snapshotPath: snapshots === null ? null : join(snapshots, `kubernetes-${pool}.json`),
    },
    { ...deps, api, node: { name: node, zone }, wallMs: Date.now },
  )
  return {
    get answer() {
      return source.answer
    },
    get failures() {
      return source.failures
    },
    first: source.first,
    stop() {
      source.stop()
      void api.close()
    },
  }
}
