import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { BoundSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../command/run.ts'
import { parseConfig } from '../config/parse.ts'
import { renderProblem } from '../config/problem.ts'

interface Gateway {
  readonly name: string
  readonly child: ChildProcess
  readonly http: number
  readonly tls: number
}

/**
 * Two gateways and a forwarder before them, to see a failover in one minute. Resolves to the exit code at
 * Ctrl-C.
 */
export async function demo(): Promise<number> {
  const gateways = await Promise.all([startGateway('gateway A'), startGateway('gateway B')])
  try {
    const ports = { http: freePort(8080), tls: freePort(8443) }
    const socket = join(tmpdir(), `spliceway-demo-${process.pid}.sock`)
    const parsed = parseConfig(configText(gateways, ports, socket), { file: 'demo', env: {} })
    if (parsed.kind === 'invalid') {
      throw new Error(parsed.problems.map((problem) => renderProblem(problem)).join('\n'))
    }
    const loaded = { kind: 'ok', config: parsed.config, warnings: [] } as const
    const source = { name: 'demo', load: null }
    const started = (): void => void process.stdout.write(instructions(gateways, ports, socket))
    return await run({ loaded, source, file: null, started })
  } finally {
    for (const { child } of gateways) child.kill()
  }
}

function startGateway(name: string): Promise<Gateway> {
  const { promise, resolve, reject } = Promise.withResolvers<Gateway>()
  // `.js` in a package: an import is rewritten, a URL is not.
  const child = fork(new URL(`./gateway${extname(import.meta.url)}`, import.meta.url), [name])
  child.once('exit', (code) => reject(new Error(`${name} did not start: exit code ${code}`)))
  child.once('message', (ports: { http: number; tls: number }) => resolve({ name, child, ...ports }))
  return promise
}

/** `preferred`, or one that is free. */
function freePort(preferred: number): number {
  try {
    new BoundSocket({ host: '127.0.0.1', port: preferred }).close()
    return preferred
  } catch {
    const socket = new BoundSocket({ host: '127.0.0.1' })
    const { port } = socket.address()
    socket.close()
    return Number(port)
  }
}

/** What to type for another command: `bin/spliceway` in a checkout, else what is on PATH. */
function launcher(): string {
  const file = fileURLToPath(new URL('../../bin/spliceway', import.meta.url))
  const installed = file.includes('/node_modules/') || !existsSync(file)
  if (installed) return 'spliceway'
  const near = relative(process.cwd(), file)
  return near.startsWith('..') ? file : near
}

function configText(
  gateways: readonly Gateway[],
  ports: { readonly http: number; readonly tls: number },
  socket: string,
): string {
  const list = (kind: 'http' | 'tls') => gateways.map((gateway) => `127.0.0.1:${gateway[kind]}`).join(', ')
  return `listeners:
  - { name: http, listen: "127.0.0.1:${ports.http}", pool: web }
  - { name: https, listen: "127.0.0.1:${ports.tls}", pool: web-tls }
pools:
  web: { endpoints: [${list('http')}], balance: round-robin, health: { tcp: {}, interval: 1s, timeout: 500ms } }
  web-tls: { endpoints: [${list('tls')}], balance: round-robin, health: { tcp: {}, interval: 1s, timeout: 500ms } }
workers: 1
drain: { notReadyDelay: 0s }
admin: { socket: "${socket}", listen: off }
`
}

function instructions(
  gateways: readonly Gateway[],
  ports: { readonly http: number; readonly tls: number },
  socket: string,
): string {
  const [first] = gateways
  return `
spliceway forwards 127.0.0.1:${ports.http} (HTTP) and 127.0.0.1:${ports.tls} (TLS) to two gateways. In another terminal:

  1. through HTTP, a few times: the gateways take turns
       curl http://127.0.0.1:${ports.http}/

  2. through TLS, which spliceway does not open:
       curl --insecure https://127.0.0.1:${ports.tls}/

  3. stop ${first?.name ?? 'one gateway'} and ask again: the other one answers, and below you read why
       kill ${first?.child.pid ?? ''}; curl http://127.0.0.1:${ports.http}/

status: ${launcher()} status --socket ${socket}
Ctrl-C ends the demo.

`
}
