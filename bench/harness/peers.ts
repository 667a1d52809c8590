import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Bench } from './bench.ts'
import type { Child } from './children.ts'
import { freePort, listening } from './listening.ts'
import type { Place, Target } from './place.ts'
import { folderFor } from './user.ts'

/** The other forwarders, as Debian ships them and with as little configuration as they take. */
export type PeerName =
  | 'HAProxy'
  | 'HAProxy, given'
  | 'HAProxy, splice-auto'
  | 'HAProxy, log on'
  | 'nginx'
  | 'nginx (A/A)'
  | 'nginx, log on'
  | 'nginx, half-close off'
  | 'socat'

/** Without a log, as ours. */
export const peerNames: readonly PeerName[] = [
  'HAProxy',
  'HAProxy, splice-auto',
  'nginx',
  'nginx (A/A)',
  'nginx, half-close off',
  'socat',
]

/** Two descriptors a connection; RLIMIT_NOFILE is 20,000 where this was written. */
const mostConnections = 9_800
const streamModule = '/usr/lib/nginx/modules/ngx_stream_module.so'

export interface Peer {
  readonly child: Child
  readonly port: number
}

/** What is not installed for `name`; null when it can be started. `given`: the program of `--haproxy`. */
export function missing(name: PeerName, given: string | null): string | null {
  switch (name) {
    case 'HAProxy, given':
      return given !== null && existsSync(given) ? null : (given ?? '--haproxy')
    case 'HAProxy':
    case 'HAProxy, splice-auto':
    case 'HAProxy, log on':
      return onPath('haproxy') ? null : 'haproxy'
    case 'nginx':
    case 'nginx (A/A)':
    case 'nginx, half-close off':
    case 'nginx, log on':
      return onPath('nginx') && existsSync(streamModule) ? null : 'nginx with libnginx-mod-stream'
    case 'socat':
      return onPath('socat') ? null : 'socat'
  }
}

/** Resolves when it listens. `workers` are threads or processes; socat has one process a connection. */
export async function startPeer(bench: Bench, name: PeerName, backend: Target, place: Place): Promise<Peer> {
  const port = freePort()
  const folder = folderFor(bench.user, bench.folder, 'peer-')
  const [command, ...args] = commandOf(name, folder, port, backend, place, bench.haproxy ?? 'haproxy')
  const { core, namespace } = place
  const child = bench.children.start(command, args, { core, namespace, uid: bench.user.uid })
  await listening(child, name, port)
  return { child, port }
}

function commandOf(
  name: PeerName,
  folder: string,
  port: number,
  backend: Target,
  { host, workers, probed }: Place,
  given: string,
): readonly [command: string, ...args: string[]] {
  const file = join(folder, 'configuration')
  const listen = { host, port }
  const logs = name.endsWith('log on')
  switch (name) {
    case 'HAProxy':
    case 'HAProxy, given':
    case 'HAProxy, splice-auto':
    case 'HAProxy, log on': {
      const splice = name === 'HAProxy, splice-auto'
      writeFileSync(file, haproxy({ listen, backend, workers, probed, splice, logs }))
      return [name === 'HAProxy, given' ? given : 'haproxy', '-db', '-f', file]
    }
    case 'nginx':
    case 'nginx (A/A)':
    case 'nginx, half-close off':
    case 'nginx, log on': {
      const halfClose = name !== 'nginx, half-close off'
      writeFileSync(file, nginx(folder, { listen, backend, workers, halfClose, logs }))
      return ['nginx', '-p', folder, '-e', 'stderr', '-c', file]
    }
    case 'socat': {
      const from = `TCP-LISTEN:${listen.port},bind=${listen.host},fork,reuseaddr,backlog=4096`
      return ['socat', from, `TCP:${backend.host}:${backend.port}`]
    }
  }
}

interface Common {
  readonly listen: Target
  readonly backend: Target
  readonly workers: number
  /** An access log: a line a connection. */
  readonly logs: boolean
}

/** The same probe as ours by default: a connection every 2 s. Pipes need descriptors too. Its log goes to a pipe, as ours. */
function haproxy(wanted: Common & { readonly probed: boolean; readonly splice: boolean }): string {
  const { listen, backend, workers, probed, splice, logs } = wanted
  return `global
  nbthread ${workers}
  maxconn ${mostConnections}
  maxpipes 64
defaults
  mode tcp
  ${splice ? 'option splice-auto' : ''}
  ${logs ? 'log stdout format raw local0\n  option tcplog' : ''}
  timeout connect 3s
  timeout client 1h
  timeout server 1h
frontend in
  bind ${listen.host}:${listen.port}
  default_backend out
backend out
  server one ${backend.host}:${backend.port}${probed ? ' check inter 2s' : ''}
`
}

/** Its log goes to a file: it cannot write to a pipe. */
function nginx(folder: string, wanted: Common & { readonly halfClose: boolean }): string {
  const { listen, backend, workers, halfClose, logs } = wanted
  const reuse = workers > 1 ? ' reuseport' : ''
  return `load_module ${streamModule};
daemon off; pid ${folder}/nginx.pid; error_log stderr crit;
worker_processes ${workers}; worker_rlimit_nofile 20000;
events { worker_connections ${2 * mostConnections}; }
stream {
  ${logs ? logFormat : ''}
  server {
    ${logs ? `access_log ${folder}/access.log line;` : ''}
    listen ${listen.host}:${listen.port}${reuse};
    proxy_pass ${backend.host}:${backend.port};
    proxy_half_close ${halfClose ? 'on' : 'off'};
    proxy_timeout 1h;
  }
}
`
}

/** About what ours says. */
const logFormat =
  "log_format line '$time_iso8601 $remote_addr:$remote_port $upstream_addr $status $bytes_sent $bytes_received $session_time';"

/** `HAProxy version 3.2.1-1`: what the program of `--haproxy` says of itself. */
export function haproxyVersion(program: string): string {
  const { stdout } = spawnSync(program, ['-v'], { encoding: 'utf8' })
  return /^HAProxy version \S+/.exec(stdout ?? '')?.[0] ?? `${program} tells no version`
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}
