import { spawnSync } from 'node:child_process'

/** Network namespaces of this run. Whoever makes the object removes them. */
export class Namespaces {
  readonly #made: string[] = []

  /** A namespace with `lo` up. Throws what ip(8) says. */
  make(purpose: string): string {
    const name = `sw-bench-${process.pid}-${purpose}-${this.#made.length}`
    ip('netns', 'add', name)
    this.#made.push(name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
    return name
  }

  /** With all that is in them. */
  remove(): void {
    for (const name of this.#made.splice(0)) spawnSync('ip', ['netns', 'del', name])
  }
}

/** A client, a forwarder and a server, each in a namespace, joined by two veth pairs. */
export interface Veth {
  readonly client: string
  readonly forwarder: string
  readonly server: string
  /** Where the forwarder is reached from the client. */
  readonly forwarderHost: string
  /** Routed by the forwarder's namespace when nobody forwards. */
  readonly serverHost: string
}

export function makeVeth(namespaces: Namespaces): Veth {
  const [client, forwarder, server] = ['client', 'forwarder', 'server'].map((name) => namespaces.make(name))
  if (client === undefined || forwarder === undefined || server === undefined) throw new Error('unreachable')
  join(client, '10.77.1.2', forwarder, '10.77.1.1', 'veth1')
  join(server, '10.77.2.2', forwarder, '10.77.2.1', 'veth2')
  run('ip', 'netns', 'exec', forwarder, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1')
  return { client, forwarder, server, forwarderHost: '10.77.1.1', serverHost: '10.77.2.2' }
}

/** Sends what goes to `port` of 127.0.0.1 to `to`: what a forwarder replaces. Throws when it is not permitted. */
export function redirect(namespace: string, port: number, to: number): void {
  const rule = ['-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '-d', '127.0.0.1', '--dport', String(port)]
  run('ip', 'netns', 'exec', namespace, 'iptables', ...rule, '-j', 'REDIRECT', '--to-ports', String(to))
}

/** `outer` has its default route through `inner`. */
function join(outer: string, outerHost: string, inner: string, innerHost: string, device: string): void {
  ip('-n', outer, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', device, 'netns', inner)
  ip('-n', outer, 'address', 'add', `${outerHost}/24`, 'dev', 'eth0')
  ip('-n', inner, 'address', 'add', `${innerHost}/24`, 'dev', device)
  ip('-n', outer, 'link', 'set', 'eth0', 'up')
  ip('-n', inner, 'link', 'set', device, 'up')
  ip('-n', outer, 'route', 'add', 'default', 'via', innerHost)
}

function ip(...args: string[]): void {
  run('ip', ...args)
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${stderr?.trim() || 'not installed or not permitted'}`)
}
