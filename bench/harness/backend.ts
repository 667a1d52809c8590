import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench } from './bench.ts'
import { freeServerPort, listening } from './listening.ts'
import type { Target } from './place.ts'

export interface Backend {
  /** Which program it is. */
  readonly name: string
  /** The backend of the i-th contender: each has an address of its own, and with it local ports of its own. */
  at(index: number): Target
}

/** As many contenders as a table may have. */
const addresses = 16
const hostOf = (index: number): string => `127.0.1.${index + 1}`

/** An HTTP server with a small answer: nginx when it is installed, because one in Node would be the bottleneck. */
export async function startHttpBackend(bench: Bench): Promise<Backend> {
  const [first = '', ...others] = Array.from({ length: addresses }, (_, index) => hostOf(index))
  const { version } = nginx()
  if (version === null) {
    const url = new URL('../load/http-server.ts', import.meta.url)
    const { ready } = await bench.children.script(url, [first, ...others], { core: bench.pins.load })
    return {
      name: 'node:http (nginx is not installed)',
      at: (index) => ({ host: hostOf(index), port: Number(ready.port) }),
    }
  }
  const port = freeServerPort(first)
  const listens = [first, ...others].map((host) => `listen ${host}:${port} backlog=4096;`).join(' ')
  const file = join(bench.folder, 'nginx.conf')
  writeFileSync(file, nginxConf(bench.folder, listens))
  const child = bench.children.start('nginx', ['-p', bench.folder, '-e', 'stderr', '-c', file], {
    core: bench.pins.load,
  })
  await listening(child, 'nginx', port)
  return { name: version, at: (index) => ({ host: hostOf(index), port }) }
}

/** `nginx/1.22.1`; null when there is none. */
function nginx(): { readonly version: string | null } {
  const { stderr } = spawnSync('nginx', ['-v'], { encoding: 'utf8' })
  return { version: /nginx\/\S+/.exec(stderr ?? '')?.[0] ?? null }
}

/** One process, no logs, no limit on requests a connection. */
function nginxConf(folder: string, listens: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/nginx-${name};`)
    .join(' ')
  return `daemon off; master_process off; pid ${folder}/nginx.pid;
events { worker_connections 8192; multi_accept on; }
http {
  access_log off; ${temporary}
  keepalive_requests 1000000000; tcp_nodelay on;
  server { ${listens} location / { default_type text/plain; return 200 "hello, world\\n"; } }
}
`
}
