import { join } from 'node:path'
import type { KubernetesConfig, KubernetesPoolConfig } from '../../config/config.ts'
import type { Source } from '../source.ts'
import type { SourceDeps } from '../source-deps.ts'
import { connectApi } from './connect.ts'
import { kubernetesSource } from './kubernetes-source.ts'

/** The source of a pool with `kubernetes`, with connections of its own: a watch occupies one all the time. */
export function openKubernetes(
  pool: string,
  { namespace, service, port, locality }: KubernetesPoolConfig,
  { apiServer, kubeconfig, node, zone, snapshots }: KubernetesConfig,
  deps: SourceDeps,
): Source {
  const api = connectApi({ kubeconfig, server: apiServer, env: process.env }, 'spliceway')
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
