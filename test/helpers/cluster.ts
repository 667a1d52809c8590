import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NetworkNamespace } from './netns.ts'
import { Nginx, nginxPorts } from './nginx.ts'

/** Where clients find the forwarder. */
export const forwarderHost = '10.88.0.1'
const clientHost = '10.88.0.2'
const nodeNames = ['a', 'b', 'c'] as const

/** Ends a fault; resolves when the node can be reached and answers again. Doing it twice does nothing. */
export type Mend = () => Promise<void>

/** Brings a fault about; resolves when it is complete. */
export type Fault = (node: ClusterNode) => Promise<Mend>

/** A gateway node: a machine on the cluster's network with an nginx. */
export class ClusterNode {
  readonly name: string
  readonly host: string
  readonly nginx: Nginx
  readonly #namespace: NetworkNamespace
  readonly #lan: NetworkNamespace

  constructor(nginx: Nginx, namespace: NetworkNamespace, lan: NetworkNamespace) {
    this.name = nginx.name
    this.host = nginx.host
    this.nginx = nginx
    this.#namespace = namespace
    this.#lan = lan
  }

  /** `10.88.0.11:9080`: as a pool lists it. */
  get endpoint(): string {
    return `${this.host}:${nginxPorts.http}`
  }

  /** SIGKILL to all of nginx: connections are reset, new ones refused. Complete when its last process is gone. */
  async kill(): Promise<Mend> {
    await this.nginx.kill()
    return () => this.nginx.start()
  }

  /** SIGSTOP to all of nginx: connects succeed by the backlog, and nothing is ever said. */
  async freeze(): Promise<Mend> {
    this.nginx.freeze()
    return async () => this.nginx.thaw()
  }

  /** A rule that drops all that arrives: connects get no answer of any kind. */
  async blackHole(): Promise<Mend> {
    const rule = ['INPUT', '-i', 'cable', '-j', 'DROP'] as const
    this.#namespace.run('iptables', '--wait', '--insert', ...rule)
    return once(() => this.#namespace.run('iptables', '--wait', '--delete', ...rule))
  }

  /** The cable is pulled out of the switch. */
  async unplug(): Promise<Mend> {
    this.#lan.setLink(this.name, 'down')
    return once(() => this.#lan.setLink(this.name, 'up'))
  }
}

export interface ClusterOptions {
  /** The path of the program. */
  readonly nginx: string
}

/**
 * A client, a forwarder and three gateway nodes, each a machine of its own as far as the network goes: namespaces with a
 * cable into one switch. Everything stays inside of them, settings included. The nodes log no requests.
 */
export class Cluster {
  readonly client: NetworkNamespace
  readonly forwarder: NetworkNamespace
  readonly nodes: readonly ClusterNode[]
  /** Removed with the cluster. */
  readonly folder: string
  readonly #undo: (() => void)[] = []

  /** The nodes do not run yet. Nothing is left when it throws. */
  constructor({ nginx }: ClusterOptions) {
    this.folder = mkdtempSync(join(tmpdir(), 'spliceway-cluster-'))
    this.#undo.push(() => rmSync(this.folder, { recursive: true, force: true }))
    mkdirSync(join(this.folder, 'www'))
    try {
      const lan = this.#namespace('lan')
      lan.openBridge()
      const machine = (name: string, host: string): NetworkNamespace => {
        const namespace = this.#namespace(name)
        namespace.plugInto(lan, name, `${host}/24`)
        return namespace
      }
      this.client = machine('client', clientHost)
      this.forwarder = machine('forwarder', forwarderHost)
      this.nodes = nodeNames.map((name, at) => {
        const host = `10.88.0.${11 + at}`
        const namespace = machine(name, host)
        const { folder } = this
        const options = { binary: nginx, name, host, namespace, folder, names: [], logs: false }
        return new ClusterNode(new Nginx(options), namespace, lan)
      })
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** Resolves when all nodes listen. */
  async start(): Promise<void> {
    await Promise.all(this.nodes.map(({ nginx }) => nginx.start()))
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map(({ nginx }) => nginx.kill()))
    this.remove()
  }

  /** What can be done without waiting. Doing it twice does nothing. */
  remove(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo()
  }

  #namespace(purpose: string): NetworkNamespace {
    const namespace = NetworkNamespace.create(`cluster-${purpose}`)
    this.#undo.push(() => namespace.remove())
    return namespace
  }
}

/** The same fault on several nodes at once. */
export async function onAll(nodes: readonly ClusterNode[], fault: Fault): Promise<Mend> {
  const mends = await Promise.all(nodes.map(fault))
  return async () => void (await Promise.all(mends.map((mend) => mend())))
}

/** A fault that comes and goes every `periodMs`, beginning now. Its mend leaves the node well. */
export async function flapping(node: ClusterNode, fault: Fault, periodMs: number): Promise<Mend> {
  let mend: Mend | null = await fault(node)
  let turning = Promise.resolve()
  const mendNow = async (): Promise<void> => {
    const last = mend
    mend = null
    await last?.()
  }
  const turn = async (): Promise<void> => {
    if (mend === null) mend = await fault(node)
    else await mendNow()
  }
  const timer = setInterval(() => {
    turning = turning.then(turn)
  }, periodMs)
  return async () => {
    clearInterval(timer)
    await turning
    await mendNow()
  }
}

function once(undo: () => void): Mend {
  let done = false
  return async () => {
    if (done) return
    done = true
    undo()
  }
}
