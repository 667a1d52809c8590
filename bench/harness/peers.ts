import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Bench } from './bench.ts'
import type { Child } from './children.ts'
import { freePort, listening } from './listening.ts'
import type { Place, Target } from './place.ts'

/** The other forwarders, as Debian ships them and with as little configuration as they take. */
export type PeerName =
  | 'HAProxy'
  | 'HAProxy, splice-auto'
  | 'nginx'
  | 'nginx (A/A)'
  | 'nginx, half-close off'
  | 'socat'

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

/** What is not installed for `name`; null when it can be started. */
export function missing(name: PeerName): string | null {
  switch (name) {
    case 'HAProxy':
    case 'HAProxy, splice-auto':
      return onPath('haproxy') ? null : 'haproxy'
    case 'nginx':
    case 'nginx (A/A)':
    case 'nginx, half-close off':
      return onPath('nginx') && existsSync(streamModule) ? null : 'nginx with libnginx-mod-stream'
    case 'socat':
      return onPath('socat') ? null : 'socat'
  }
}

/** Resolves when it listens. `workers` are threads or processes; socat has one process a connection. */
export async function startPeer(
  bench: Bench,
  name: PeerName,
  backend: Target,
  { host, namespace, core, workers }: Place,
): Promise<Peer> {
  const port = freePort()
  const folder = mkdtempSync(join(bench.folder, 'peer-'))
  const [command, ...args] = commandOf(name, folder, { host, port }, backend, workers)
  const child = bench.children.start(command, args, { core, namespace })
  await listening(child, name, port)
  return { child, port }
}

function commandOf(
  name: PeerName,
  folder: string,
  listen: Target,
  backend: Target,
  workers: number,
): readonly [command: string, ...args: string[]] {
  const file = join(folder, 'configuration')
  switch (name) {
    case 'HAProxy':
    case 'HAProxy, splice-auto':
      writeFileSync(file, haproxy(listen, backend, workers, name === 'HAProxy' ? '' : 'option splice-auto'))
      return ['haproxy', '-db', '-f', file]
    case 'nginx':
    case 'nginx (A/A)':
    case 'nginx, half-close off':
      writeFileSync(file, nginx(folder, listen, backend, workers, name !== 'nginx, half-close off'))
      return ['nginx', '-p', folder, '-e', 'stderr', '-c', file]
    case 'socat': {
      const from = `TCP-LISTEN:${listen.port},bind=${listen.host},fork,reuseaddr,backlog=4096`
      return ['socat', from, `TCP:${backend.host}:${backend.port}`]
    }
  }
}

/** The same probe as ours by default: a connection every 2 s. Pipes need descriptors too. */
function haproxy(listen: Target, backend: Target, threads: number, option: string): string {
  return `global
  nbthread ${threads}
  maxconn ${mostConnections}
  maxpipes 64
defaults
  mode tcp
  ${option}
  timeout connect 3s
  timeout client 1h
  timeout server 1h
frontend in
  bind ${listen.host}:${listen.port}
  default_backend out
backend out
  server one ${backend.host}:${backend.port} check inter 2s
`
}

function nginx(folder: string, listen: Target, backend: Target, workers: number, halfClose: boolean): string {
  const reuse = workers > 1 ? ' reuseport' : ''
  return `load_module ${streamModule};
daemon off; pid ${folder}/nginx.pid; error_log stderr crit;
worker_processes ${workers}; worker_rlimit_nofile 20000;
events { worker_connections ${2 * mostConnections}; }
stream {
  server {
    listen ${listen.host}:${listen.port}${reuse};
    proxy_pass ${backend.host}:${backend.port};
    proxy_half_close ${halfClose ? 'on' : 'off'};
    proxy_timeout 1h;
  }
}
`
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}
