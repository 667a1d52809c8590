import type { Peer, Place } from '../peer.ts'
import { pathOf, printed } from '../program.ts'

/** Debian's file has these three times; `mode tcp` and a server are all that is added. */
const defaults = ['timeout connect 5s', 'timeout client  50s', 'timeout server  50s']

/** What its manual offers for the cases: another server at the first retry, its sockets handed on at a reload. */
const best = [
  'timeout connect 3s',
  'timeout client  1h',
  'timeout server  1h',
  'timeout client-fin 60s',
  'timeout server-fin 60s',
  'option  clitcpka',
  'option  srvtcpka',
  'option  redispatch 1',
  'retries 3',
]

export const haproxy: Peer = {
  name: 'haproxy',
  title: 'HAProxy',
  ...common(),
  setup: (place) => setup(place, [], defaults),
}

export const haproxyBest: Peer = {
  name: 'haproxy-best',
  title: 'HAProxy, best',
  ...common(),
  setup: (place) =>
    setup(place, [`stats socket ${place.folder}/stats.sock level admin expose-fd listeners`], best),
}

function common(): Pick<Peer, 'mostEndpoints' | 'missing' | 'version'> {
  return {
    mostEndpoints: 2,
    missing: () => (pathOf('haproxy') === null ? 'haproxy' : null),
    version: () => printed('haproxy', ['-v'], /HAProxy version \S+/).replace(' version', ''),
  }
}

function setup(place: Place, global: readonly string[], lines: readonly string[]): ReturnType<Peer['setup']> {
  const servers = place.endpoints.map((port, i) => `server s${i + 1} 127.0.0.1:${port}`)
  const section = (head: string, body: readonly string[]): string =>
    [head, ...body.map((line) => `  ${line}`), ''].join('\n')
  return {
    files: {
      'haproxy.cfg': [
        section('global', [`description revision ${place.revision}`, ...global]),
        section('defaults', ['mode tcp', ...lines]),
        section('frontend in', [`bind 127.0.0.1:${place.port}`, 'default_backend out']),
        section('backend out', servers),
      ].join(''),
    },
    command: [pathOf('haproxy') ?? 'haproxy', '-W', '-f', `${place.folder}/haproxy.cfg`],
    reload: 'SIGUSR2',
    stop: 'SIGUSR1',
  }
}
