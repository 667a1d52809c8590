import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { NetworkNamespace, namespacesMissing } from '../helpers/netns.ts'
import { Backend, closedPort, echo } from '../helpers/peer.ts'
import { Program } from '../helpers/program.ts'

/** An address of the namespace that is not loopback. */
const ownHost = '10.9.0.1'
/** The uid of the container image. */
const uid = 64_080
const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Role {
  readonly workers: number
  readonly plane?: 'auto' | 'net'
  /** Where the program is installed; this checkout when left out. */
  readonly folder?: string
  readonly adminPort?: number
  /** Path of the admin socket; the one in the common folder when left out. */
  readonly adminSocket?: string
  readonly notReadyDelay?: string
  /** `sessions` of the hand-over; `move` when left out. */
  readonly sessions?: 'move' | 'keep'
  /** More lines of the configuration. */
  readonly access?: 'all' | 'none'
  /** More of the environment. */
  readonly env?: Readonly<Record<string, string>>
}

/**
 * The place where processes follow each other: as root in a network namespace of its own, which the test's main thread
 * enters, and as uid 64080; otherwise on loopback.
 */
export class Succession {
  readonly port: number
  readonly name: string
  readonly backend: Backend
  /**
   * Where conversations go: a listener and its backend at an address that is not loopback, so that bulk goes
   * through pipes. Without a namespace it is loopback.
   */
  readonly talkHost: string
  readonly talkPort: number
  readonly talkBackendPort: number
  /** A listener whose endpoint is a UNIX socket at `unixPath`. */
  readonly unixPort: number
  readonly unixPath: string
  /** Of the process that serves. */
  readonly adminSocket: string
  readonly #namespace: NetworkNamespace | null
  readonly #folder: string
  #started = 0

  private constructor(
    port: number,
    backend: Backend,
    namespace: NetworkNamespace | null,
    folder: string,
    talkPorts: readonly [number, number, number],
  ) {
    this.port = port
    this.name = `spliceway-test-${process.pid}`
    this.backend = backend
    this.talkHost = namespace === null ? '127.0.0.1' : ownHost
    this.talkPort = talkPorts[0]
    this.talkBackendPort = talkPorts[1]
    this.unixPort = talkPorts[2]
    this.unixPath = join(folder, 'backend.sock')
    this.adminSocket = join(folder, 'run', 'spliceway.sock')
    this.#namespace = namespace
    this.#folder = folder
  }

  /** Ends with the test. One at a time in a file: the thread is in one namespace. */
  static async open(t: ExecutionContext): Promise<Succession> {
    const namespace = namespacesMissing() === null ? NetworkNamespace.create('handover') : null
    const leave = namespace?.enter()
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-handover-'))
    chmodSync(folder, 0o755)
    const backend = await Backend.start({ onPeer: echo })
    const port = namespace === null ? await closedPort() : 8080
    t.teardown(async () => {
      await backend.close()
      leave?.()
      namespace?.remove()
      rmSync(folder, { recursive: true, force: true })
    })
    namespace?.run('ip', 'address', 'add', `${ownHost}/32`, 'dev', 'lo')
    const ports = async () => [await closedPort(), await closedPort(), await closedPort()] as const
    const talkPorts = namespace === null ? await ports() : ([8081, 9091, 8082] as const)
    return new Succession(port, backend, namespace, folder, talkPorts)
  }

  /** Starts the next process; whoever needs it waits for its lines. It is killed with the test. */
  async start(t: ExecutionContext, role: Role): Promise<Program> {
    const own = join(this.#folder, 'run') // one folder for all: the admin socket is handed over as well
    mkdirSync(own, { recursive: true, mode: 0o700 })
    const file = join(this.#folder, `${++this.#started}.yaml`)
    writeFileSync(file, this.#config(role))
    const cli = join(role.folder ?? root, 'src/cli.mjs')
    const node = [process.execPath, cli, 'run', '-c', file]
    const env = { RUNTIME_DIRECTORY: own, CACHE_DIRECTORY: own, ...role.env }
    if (this.#namespace === null) return this.#ended(t, await Program.start(node, { env }))
    chownSync(own, uid, uid)
    const [command, ...args] = this.#namespace.command(
      'setpriv',
      `--reuid=${uid}`,
      `--regid=${uid}`,
      '--clear-groups',
      ...node,
    )
    return this.#ended(t, await Program.start([command, ...args], { env }))
  }

  /** Only a network of its own has admin pages at fixed ports. */
  get hasAdminPages(): boolean {
    return this.#namespace !== null
  }

  /** The argv of a program of another uid in the same network; null: there is no root to make one. */
  asStranger(...argv: readonly string[]): readonly string[] | null {
    if (this.#namespace === null) return null
    return this.#namespace.command('setpriv', `--reuid=${uid + 1}`, '--clear-groups', ...argv)
  }

  /** Whether somebody waits for a successor. */
  get nameIsHeld(): boolean {
    return readFileSync('/proc/thread-self/net/unix', 'latin1')
      .split('\n')
      .some((line) => line.endsWith(`@${this.name}`))
  }

  #config({
    workers,
    plane = 'auto',
    adminPort = 9981,
    adminSocket = 'auto',
    notReadyDelay = '10s',
    sessions = 'move',
    access = 'none',
  }: Role): string {
    const listen = this.#namespace === null ? 'off' : `127.0.0.1:${adminPort}`
    return `listeners:
  - { name: main, listen: "127.0.0.1:${this.port}", pool: echo }
  - { name: talk, listen: "${this.talkHost}:${this.talkPort}", pool: talk }
  - { name: unix, listen: "127.0.0.1:${this.unixPort}", pool: unix }
pools:
  echo: { endpoints: ["127.0.0.1:${this.backend.port}"], health: off }
  talk: { endpoints: ["${this.talkHost}:${this.talkBackendPort}"], health: off }
  unix: { endpoints: ["unix:${this.unixPath}"], health: off }
workers: ${workers}
plane: ${plane}
handover: { socket: "@${this.name}", sessions: ${sessions} }
drain: { notReadyDelay: ${notReadyDelay}, window: 1s, deadline: 60s }
admin: { listen: "${listen}", socket: "${adminSocket}" }
log: { access: ${access} }
`
  }

  #ended(t: ExecutionContext, program: Program): Program {
    t.teardown(() => program.kill())
    return program
  }
}
