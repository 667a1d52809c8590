import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'

/** sched.h */
const CLONE_NEWNET = 0x40000000

/**
 * A network of its own, with its own ports and addresses: tests may use fixed ports in it. 127.0.0.0/8 is up.
 * Whoever makes it calls remove().
 */
export class NetworkNamespace {
  readonly name: string

  private constructor(name: string) {
    this.name = name
  }

  /**
   * Throws with what `ip` said when the system does not let us. The name holds our pid: files run side by
   * side.
   */
  static create(purpose: string): NetworkNamespace {
    const namespace = new NetworkNamespace(`spliceway-${process.pid}-${purpose}`)
    ip('netns', 'add', namespace.name)
    ip('-n', namespace.name, 'link', 'set', 'lo', 'up')
    return namespace
  }

  /** The arguments that run a command in here. The process keeps its pid: `ip` replaces itself. */
  command(command: string, ...args: readonly string[]): [string, ...string[]] {
    return ['ip', 'netns', 'exec', this.name, command, ...args]
  }

  /**
   * Joins two namespaces by a cable. The addresses are `10.99.0.1/24` and the like; IPv6 ones are usable at
   * once, because nobody looks for a duplicate.
   */
  connect(
    other: NetworkNamespace,
    here: readonly string[],
    there: readonly string[],
    device = 'cable',
  ): void {
    ip('-n', this.name, 'link', 'add', device, 'type', 'veth', 'peer', device, 'netns', other.name)
    for (const [{ name }, addresses] of [
      [this, here],
      [other, there],
    ] as const) {
      for (const address of addresses) {
        const nodad = address.includes(':') ? ['nodad'] : []
        ip('-n', name, 'address', 'add', address, 'dev', device, ...nodad)
      }
      ip('-n', name, 'link', 'set', device, 'up')
    }
  }

  /**
   * Plugs a cable with this IPv4 address into `lan`, a namespace with openBridge(). `port` names its end there: pulling
   * it is `lan.setLink(port, 'down')`.
   */
  plugInto(lan: NetworkNamespace, port: string, address: string): void {
    ip('-n', this.name, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', port, 'netns', lan.name)
    ip('-n', this.name, 'address', 'add', address, 'dev', 'cable')
    ip('-n', lan.name, 'link', 'set', 'dev', port, 'master', 'bridge')
    lan.setLink(port, 'up')
    this.setLink('cable', 'up')
  }

  /** A switch for plugInto(): without spanning tree, so that a port forwards as soon as it is up. */
  openBridge(): void {
    ip('-n', this.name, 'link', 'add', 'bridge', 'type', 'bridge', 'stp_state', '0')
    this.setLink('bridge', 'up')
  }

  setLink(device: string, state: 'up' | 'down'): void {
    ip('-n', this.name, 'link', 'set', 'dev', device, state)
  }

  /** Runs a short command in here and returns what it prints. Throws with what it said when it fails. */
  run(command: string, ...args: readonly string[]): string {
    const [program, ...rest] = this.command(command, ...args)
    return execFileSync(program, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  }

  /**
   * Moves this thread in: sockets that it opens and processes that it starts from now on are in the
   * namespace; open ones stay where they are. The main thread only, where libuv makes its sockets. Returns
   * the way back.
   */
  enter(): () => void {
    if (!isMainThread) throw new Error('only the main thread can enter a network namespace')
    const home = openSync('/proc/thread-self/ns/net', 'r')
    const inside = openSync(`/run/netns/${this.name}`, 'r')
    try {
      setns(inside)
    } finally {
      closeSync(inside)
    }
    return () => {
      setns(home)
      closeSync(home)
    }
  }

  /**
   * Gives programs that start in here an /etc/NAME of their own, which `ip` binds over the system's. Writing again changes
   * it under their eyes.
   */
  etc(name: string, text: string): void {
    const folder = `/etc/netns/${this.name}`
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}/${name}`, text)
  }

  /** Its cables go with it, and its files. Processes that still run in it keep a network without a name. */
  remove(): void {
    ip('netns', 'delete', this.name)
    rmSync(`/etc/netns/${this.name}`, { recursive: true, force: true })
  }
}

/** null: namespaces work here; otherwise why not. Makes one and enters it to find out. */
export function namespacesMissing(): string | null {
  if (process.platform !== 'linux') return `network namespaces need Linux, this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  try {
    const namespace = NetworkNamespace.create('probe')
    try {
      namespace.enter()()
    } finally {
      namespace.remove()
    }
    return null
  } catch (error) {
    return `network namespaces do not work: ${error instanceof Error ? error.message.trim() : String(error)}`
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function setns(descriptor: number): void {
  const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi') // optional: it may be missing
  const call = koffi.load('libc.so.6').func('int setns(int fd, int nstype)')
  if (call(descriptor, CLONE_NEWNET) !== 0) throw new Error(`setns: errno ${koffi.errno()}`)
}
