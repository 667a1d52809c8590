import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findProgram } from './find-program.ts'
import type { NetworkNamespace } from './netns.ts'
import { Program } from './program.ts'

/** Ports of each gateway node. */
export const nginxPorts = { http: 9080, status: 9081, tls: 9443, proxyHttp: 9181, proxyTls: 9182 } as const

/** null: not installed. */
export function findNginx(): string | null {
  return findProgram('nginx')
}

export interface NginxOptions {
  readonly binary: string
  /** As its answers name it. */
  readonly name: string
  /** The address it listens on. */
  readonly host: string
  readonly namespace: NetworkNamespace
  /**
   * For its configuration, pid and temporary files; `www` in it holds what it serves, NAME.pem and NAME.key
   * its certificates.
   */
  readonly folder: string
  /** Server names with a certificate of their own; the first one is for clients without SNI. None: no TLS. */
  readonly names: readonly string[]
  /** How long it waits for a client's first bytes; nginx's own default when left out. */
  readonly headerTimeout?: string
  /** Whether it logs each request; it does unless told not to. */
  readonly logs?: boolean
}

/**
 * One gateway node: an nginx with HTTP and TLS, plain and behind a PROXY header. `/` answers `node NAME`; the
 * header `x-connection` numbers its connections; `/slow/FILE` serves 1 MiB a second. A port of its own is for
 * probes. It logs `visit port=… remote=… proxy=… peer=… status=… uri=…` for each request.
 */
export class Nginx {
  readonly name: string
  readonly host: string
  readonly #options: NginxOptions
  #program: Program | null = null

  constructor(options: NginxOptions) {
    this.name = options.name
    this.host = options.host
    this.#options = options
  }

  /** Resolves when it listens; does nothing when it runs already. */
  async start(): Promise<void> {
    if (this.#program !== null) return
    const { binary, namespace, folder, name } = this.#options
    const file = join(folder, `nginx-${name}.conf`)
    await writeFile(file, configuration(this.#options))
    // nginx opens /dev/stdout by its name, which works with a pipe and not with the socket that Node makes.
    const piped = ['sh', '-c', '"$0" "$@" | cat', binary, '-p', folder, '-e', 'stderr', '-c', file] as const
    const program = await Program.start(namespace.command(...piped))
    this.#program = program
    await program.line(/start worker process \d+/)
  }

  /** The first line of its log that matches, past (not before line `from`) or future. */
  line(pattern: RegExp, from = 0): Promise<string> {
    if (this.#program === null) throw new Error(`nginx ${this.name} was not started`)
    return this.#program.line(pattern, from)
  }

  /** SIGSTOP to master and workers: the kernel goes on to accept until the backlog is full, and nobody answers. */
  freeze(): void {
    this.#program?.signal('SIGSTOP')
  }

  /** Ends freeze(). */
  thaw(): void {
    this.#program?.signal('SIGCONT')
  }

  /** SIGKILL to master and workers; resolves when the last of them is gone. */
  async kill(): Promise<void> {
    await this.#program?.kill()
    this.#program = null
  }
}

function configuration(options: NginxOptions): string {
  const { host, name, folder, names, logs = true, headerTimeout = '60s' } = options
  const { http, status, tls, proxyHttp, proxyTls } = nginxPorts
  const realIp = 'set_real_ip_from 127.0.0.0/8; real_ip_header proxy_protocol;'
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/nginx-${name}-${kind};`)
    .join(' ')
  const site = `
    root ${folder}/www;
    add_header x-node ${name} always;
    add_header x-connection $connection always;
    location = / { default_type text/plain; return 200 "node ${name}\\n"; }
    location /slow/ { alias ${folder}/www/; limit_rate 1m; }`
  const secure = (port: number, extra: string, rest: string) =>
    names
      .map(
        (serverName, at) => `
  server {
    listen ${host}:${port} ssl${extra}${at === 0 ? ' default_server' : ''};
    server_name ${serverName};
    ssl_certificate ${folder}/${serverName}.pem;
    ssl_certificate_key ${folder}/${serverName}.key;
    ${rest}${site}
  }`,
      )
      .join('')
  return `daemon off;
user root;
worker_processes 2;
pid ${folder}/nginx-${name}.pid;
error_log stderr notice;
events { worker_connections 1024; }
http {
  log_format visit 'visit port=$server_port remote=$remote_addr proxy=$proxy_protocol_addr '
    'peer=$realip_remote_addr status=$status uri=$request_uri';
  access_log ${logs ? '/dev/stdout visit' : 'off'};
  keepalive_requests 100000;
  client_header_timeout ${headerTimeout};
  ssl_protocols TLSv1.2 TLSv1.3;
  ${temporary}
  server { listen ${host}:${http}; ${site}
  }
  server { listen ${host}:${status}; access_log off; location / { return 200; }
  }
  server { listen ${host}:${proxyHttp} proxy_protocol; ${realIp} ${site}
  }${secure(tls, '', '')}${secure(proxyTls, ' proxy_protocol', realIp)}
}
`
}
