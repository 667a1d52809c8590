import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Cluster, forwarderHost } from '../../test/helpers/cluster.ts'
import { nginxPorts } from '../../test/helpers/nginx.ts'
import type { Bench } from '../harness/bench.ts'
import type { Child } from '../harness/children.ts'
import { listening } from '../harness/listening.ts'
import { folderFor } from '../harness/user.ts'
import { type ForwarderName, ports } from './names.ts'

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
      case 'spliceway, p2c':
      case 'spliceway, defaults':
      case 'spliceway, onDown':
        writeFileSync(file, spliceway(cluster, join(folder, 'admin.sock'), ours[name]))
        return start(process.execPath, cli, 'run', '-c', file)
      case 'HAProxy':
      case 'HAProxy, redispatch last':
      case 'HAProxy, fastinter':
      case 'HAProxy, shutdown-sessions':
        writeFileSync(file, haproxy(cluster, theirs[name]))
        return start('haproxy', '-q', '-db', '-f', file)
    }
  })()
  for (const port of Object.values(ports)) await listening(child, name, port)
  return child
}

/** Why this version cannot be run like that, in one line; null: it can. */
export function refused(bench: Bench, cluster: Cluster, name: ForwarderName): string | null {
  if (!(name in ours)) return null
  const folder = folderFor(bench.user, bench.folder, 'failover-')
  const file = join(folder, 'configuration')
  writeFileSync(file, spliceway(cluster, join(folder, 'admin.sock'), ours[name as keyof typeof ours]))
  const { status, stderr } = spawnSync(process.execPath, [cli, 'check', file], { encoding: 'utf8' })
  return status === 0 ? null : (stderr.split('\n')[0] ?? 'refused')
}

/** What differs among ours. */
interface Ours {
  readonly balance: 'round-robin' | 'p2c'
  /** undefined: the default, which is a tcp probe. */
  readonly health?: string
  /** More keys of the pool, and of `timeouts`. */
  readonly pool?: string
  readonly timeouts?: string
}

const probe = `{ http: { port: ${nginxPorts.status}, path: / }, interval: 1s, timeout: 1s, fall: 2, rise: 2 }`

/**
 * Defaults but for the probe, which is the same as HAProxy's, and for taking turns as HAProxy does: a node that is silent
 * collects pending dials, so p2c, the default, goes round it before anybody knows why. `defaults`: with the default probe,
 * too, which a frozen node passes. `onDown`: for connections that stay.
 */
const ours = {
  spliceway: { balance: 'round-robin', health: probe },
  'spliceway, p2c': { balance: 'p2c', health: probe },
  'spliceway, defaults': { balance: 'round-robin' },
  'spliceway, onDown': {
    balance: 'round-robin',
    health: probe,
    pool: 'onDown: reset',
    timeouts: '{ unacked: 5s }',
  },
} as const satisfies Partial<Record<ForwarderName, Ours>>

/** What differs among theirs. */
interface Theirs {
  readonly redispatch: string
  readonly check: string
  readonly server: string
}

const atOnce = 'option redispatch 1'
const everySecond = 'inter 1s fall 2'
const theirs = {
  HAProxy: { redispatch: atOnce, check: everySecond, server: '' },
  'HAProxy, redispatch last': { redispatch: 'option redispatch', check: everySecond, server: '' },
  'HAProxy, fastinter': { redispatch: atOnce, check: 'inter 2s fastinter 250ms fall 3', server: '' },
  'HAProxy, shutdown-sessions': {
    redispatch: atOnce,
    check: everySecond,
    server: ' on-marked-down shutdown-sessions',
  },
} as const satisfies Partial<Record<ForwarderName, Theirs>>

function spliceway(
  { nodes }: Cluster,
  socket: string,
  { balance, health, pool: more, timeouts }: Ours,
): string {
  const keys = [
    `balance: ${balance}`,
    ...(health === undefined ? [] : [`health: ${health}`]),
    ...(more === undefined ? [] : [more]),
  ]
  const pool = (priorities: readonly number[]): string => {
    const endpoints = nodes.map(
      ({ endpoint }, at) => `{ address: "${endpoint}", priority: ${priorities[at]} }`,
    )
    return `{ endpoints: [${endpoints.join(', ')}], ${keys.join(', ')} }`
  }
  return `listeners:
  - { name: web, listen: "${forwarderHost}:${ports.web}", pool: web }
  - { name: tiered, listen: "${forwarderHost}:${ports.tiered}", pool: tiered }
pools:
  web: ${pool([0, 0, 0])}
  tiered: ${pool([0, 0, 1])}
${timeouts === undefined ? '' : `timeouts: ${timeouts}\n`}workers: ${workers}
plane: splice
drain: { notReadyDelay: 0s, window: 0s, deadline: 0s }
admin: { socket: "${socket}", listen: off }
log: { access: none }
`
}

function haproxy({ nodes }: Cluster, { redispatch, check, server }: Theirs): string {
  const servers = (backup: readonly string[]): string =>
    nodes
      .map(({ name, endpoint }) => {
        const tier = backup.includes(name) ? ' backup' : ''
        return `  server ${name} ${endpoint} check port ${nginxPorts.status} ${check} rise 2${server}${tier}`
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
