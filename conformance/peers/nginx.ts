import { existsSync } from 'node:fs'
import type { Peer, Place } from '../peer.ts'
import { pathOf, printed } from '../program.ts'

const streamModule = '/usr/lib/nginx/modules/ngx_stream_module.so'

/** The first lines are those of Debian's file. */
export const nginx: Peer = {
  name: 'nginx',
  title: 'nginx',
  ...common(),
  setup: (place) => setup(place, '', []),
}

/** Half-close is off by default, and a dial waits for 60 s. */
export const nginxBest: Peer = {
  name: 'nginx-best',
  title: 'nginx, best',
  ...common(),
  setup: (place) =>
    setup(place, ' so_keepalive=on', [
      'proxy_half_close on;',
      'proxy_connect_timeout 3s;',
      'proxy_timeout 1h;',
      'proxy_socket_keepalive on;',
    ]),
}

function common(): Pick<Peer, 'mostEndpoints' | 'missing' | 'version'> {
  const missing = 'nginx with libnginx-mod-stream'
  return {
    mostEndpoints: 2,
    missing: () => (pathOf('nginx') !== null && existsSync(streamModule) ? null : missing),
    version: () => printed('nginx', ['-v'], /nginx\/\S+/).replace('/', ' '),
  }
}

function setup(place: Place, listening: string, lines: readonly string[]): ReturnType<Peer['setup']> {
  const servers = place.endpoints.map((port) => `    server 127.0.0.1:${port};\n`).join('')
  return {
    files: {
      'nginx.conf': `load_module ${streamModule};
daemon off;
pid ${place.folder}/nginx.pid;
error_log ${place.folder}/error.log;
worker_processes auto;
events { worker_connections 768; }
# revision ${place.revision}
stream {
  upstream out {
${servers}  }
  server {
    listen 127.0.0.1:${place.port}${listening};
    proxy_pass out;
${lines.map((line) => `    ${line}\n`).join('')}  }
}
`,
    },
    command: [
      pathOf('nginx') ?? 'nginx',
      '-p',
      place.folder,
      '-e',
      'stderr',
      '-c',
      `${place.folder}/nginx.conf`,
    ],
    reload: 'SIGHUP',
    stop: 'SIGQUIT',
  }
}
