import { type Api, connectCluster } from './api.ts'
import type { OurNode } from './endpoint-slice.ts'
import { findCluster, type Whereabouts } from './find-cluster.ts'

/**
 * The API server that `whereabouts` leads to, looked for anew at each request: what is missing or broken now
 * may be there the next time. Whoever calls this closes it. Never throws. `program`: name and version, for
 * the server's audit log.
 */
export function connectApi(whereabouts: Whereabouts, program: string): Api {
  return connectCluster(() => findCluster(whereabouts), program)
}

/** What the pod's manifest says of its node (downward API): NODE_NAME and ZONE. */
export function ourNode(env: Whereabouts['env']): OurNode {
  return { name: env.NODE_NAME || null, zone: env.ZONE || null }
}
