import { type Api, connectCluster } from './api.ts'
import type { OurNode } from './endpoint-slice.ts'
import { findCluster, type Whereabouts } from './find-cluster.ts'

export type Connection =
  | { readonly kind: 'api'; readonly api: Api }
  /** There is no cluster to ask; a sentence that says what to do. */
  | { readonly kind: 'none'; readonly reason: string }

/**
 * The API server for all pools of this process; whoever calls this closes it. Looks at files, and opens no connection
 * before the first request. Never throws. `program`: name and version, for the server's audit log.
 */
export function connectApi(whereabouts: Whereabouts, program: string): Connection {
  const found = findCluster(whereabouts)
  if (found.kind === 'none') return found
  return { kind: 'api', api: connectCluster(found.cluster, program) }
}

/** What the pod's manifest says of its node (downward API): NODE_NAME and ZONE. */
export function ourNode(env: Whereabouts['env']): OurNode {
  return { name: env.NODE_NAME || null, zone: env.ZONE || null }
}
