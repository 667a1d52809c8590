import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Cluster, forwarderHost } from '../../test/helpers/cluster.ts'
import { nginxPorts } from '../../test/helpers/nginx.ts'
import type { Bench } from '../harness/bench.ts'
import type { Child } from '../harness/children.ts'
import { listening } from '../harness/listening.ts'
import { folderFor } from '../harness/user.ts'
import { ports } from './scenarios.ts'

/** Those without a word more take turns, retry elsewhere at once, and are what targets are about. */
export const forwarderNames = ['spliceway', 'spliceway, p2c', 'HAProxy', 'HAProxy, redispatch last'] as const
export type ForwarderName = (typeof forwarderNames)[number]

/** Threads of each. */
const workers = 2
const cli = fileURLToPath(new URL('../../src/cli.mjs', import.meta.url))

/** Starts it in the cluster; resolves when it listens. Nodes 0 and 1 are tier 0 of the tiered port, node 2 is tier 1. */
export async function startForwarder(bench: Bench, cluster: Cluster, name: ForwarderName): Promise<Child> {
  const folder = folderFor(bench.user, bench.folder, 'failover-')
  const file = join(folder, 'configuration')
  const start = (command: string, ...args: string[]): Child =>
    bench.children.start(command, args, {
      core: null,
      namespace: cluster.forwarder.name,
      uid: bench.user.uid,
    })
  const child = ((): Child => {
    switch (name) {
      case 'spliceway':
      case 'spliceway, p2c': {
        const balance = name === 'spliceway' ? 'round-robin' : 'p2c'
        writeFileSync(file, spliceway(cluster, join(folder, 'admin.sock'), balance))
        return start(process.execPath, cli, 'run', '-c', file)
      }
      case 'HAProxy':
        writeFileSync(file, haproxy(cluster, 'option redispatch 1'))
        return start('haproxy', '-q', '-db', '-f', file)
      case 'HAProxy, redispatch last':
        writeFileSync(file, haproxy(cluster, 'option redispatch'))
        return start('haproxy', '-q', '-db', '-f', file)
    }
  })()
  for (const port of Object.values(ports)) await listening(child, name, port)
  return child
}

/**
 * Defaults but for the probe, which is the same as HAProxy's, and for taking turns as HAProxy does: a node that is silent
 * collects pending dials, so p2c, the default, goes round it before anybody knows why.
 */
function spliceway({ nodes }: Cluster, socket: string, balance: 'round-robin' | 'p2c'): string {
  const health = `{ http: { port: ${nginxPorts.status}, path: / }, interval: 1s, timeout: 1s, fall: 2, rise: 2 }`
  const pool = (priorities: readonly number[]): string => {
    const endpoints = nodes.map(
      ({ endpoint }, at) => `{ address: "${endpoint}", priority: ${priorities[at]} }`,
    )
    return `{ endpoints: [${endpoints.join(', ')}], balance: ${balance}, health: ${health} }`
  }
  return `listeners:
  - { name: web, listen: "${forwarderHost}:${ports.web}", pool: web }
  - { name: tiered, listen: "${forwarderHost}:${ports.tiered}", pool: tiered }
pools:
  web: ${pool([0, 0, 0])}
  tiered: ${pool([0, 0, 1])}
workers: ${workers}
plane: splice
drain: { notReadyDelay: 0s, window: 0s, deadline: 0s }
admin: { socket: "${socket}", listen: off }
log: { access: none }
`
}

function haproxy({ nodes }: Cluster, redispatch: string): string {
  const servers = (backup: readonly string[]): string =>
    nodes
      .map(({ name, endpoint }) => {
        const tier = backup.includes(name) ? ' backup' : ''
        return `  server ${name} ${endpoint} check port ${nginxPorts.status} inter 1s fall 2 rise 2${tier}`
      })
      .join('\n')
  return `global
  nbthread ${workers}
  maxconn 9800
defaults
  mode tcp
  retries 3
  ${redispatch}
  option httpchk GET /
  timeout connect 1s
  timeout check 1s
  timeout client 1h
  timeout server 1h
frontend web
  bind ${forwarderHost}:${ports.web}
  default_backend web
frontend tiered
  bind ${forwarderHost}:${ports.tiered}
  default_backend tiered
backend web
${servers([])}
backend tiered
${servers(nodes.slice(2).map(({ name }) => name))}
`
}
