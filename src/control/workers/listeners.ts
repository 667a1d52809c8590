import type { ListenerConfig } from '../../config/config.ts'
import { joinHostPort } from '../../core/address.ts'
import type { HeldSockets, InheritedSockets } from '../../core/inherited.ts'
import { bindListener, type ListenerSockets, lendDuplicates } from './sockets.ts'
import type { Host } from './threads.ts'

/**
 * What a listening socket is known by: its address, so that a listener may be renamed without closing its
 * port. A socket option that a listener can choose belongs in here too: a successor takes over what has the
 * same key.
 */
export function listenerKey({ name, host, port }: ListenerConfig): string {
  const address = joinHostPort(host, port)
  return port === 0 ? `${address} ${name}` : address // several may ask the kernel for a port
}

/** The bound listening sockets of the program. */
export class Listeners {
  readonly #workers: number
  readonly #host: Pick<Host, 'duplicate' | 'turnAway'>
  #bound: ReadonlyMap<string, ListenerSockets> = new Map()
  /** What a successor may have too. */
  readonly #offered = new WeakSet<ListenerSockets>()

  constructor(workers: number, host: Pick<Host, 'duplicate' | 'turnAway'>) {
    this.#workers = workers
    this.#host = host
  }

  /** Keys of all bound sockets. */
  keys(): readonly string[] {
    return [...this.#bound.keys()]
  }

  /** As bound, `[::]:443`; undefined when nothing is bound for it. */
  address(key: string): string | undefined {
    const sockets = this.#bound.get(key)
    return sockets && joinHostPort(sockets.address.host, sockets.address.port)
  }

  /** Whether another process serves its queues when this one does not. */
  shared(key: string): boolean {
    return this.#bound.get(key)?.shared ?? false
  }

  /** All bound sockets, for a successor of this process, which may have them from now on. */
  offer(): readonly HeldSockets[] {
    for (const sockets of this.#bound.values()) this.#offered.add(sockets)
    return [...this.#bound].map(([key, { address, descriptors, shared }]) => {
      return { key, address, descriptors, shared }
    })
  }

  /** Counts sockets of other origin as bound. The next bind() keeps those that it is asked for. */
  adopt(inherited: readonly InheritedSockets[]): void {
    if (inherited.length === 0) return
    const { duplicate } = this.#host
    if (duplicate === null) throw new Error('sockets that cannot be duplicated cannot be inherited')
    const adopted = inherited.map((sockets) => {
      return [sockets.key, lendDuplicates(sockets, this.#workers, duplicate)] as const
    })
    this.#bound = new Map([...this.#bound, ...adopted])
  }

  /** Before its queues are emptied for the last time: whoever comes now is as if his SYN was lost. */
  turnAway(key: string): void {
    const sockets = this.#bound.get(key)
    if (sockets !== undefined) this.#turnAway(sockets)
  }

  /** Sockets for a worker, which owns them from then on; undefined when the address is not bound any more. */
  lend(key: string, index: number): ReturnType<ListenerSockets['lend']> | undefined {
    return this.#bound.get(key)?.lend(index)
  }

  /**
   * Binds what is new, all or nothing: throws BindError with everything as it was. What is not in `configs`
   * stays bound until `release()` of the result is called, and is prepared for it by `turnAway()`. `beside`:
   * ports of the process that this one takes over from.
   */
  bind(
    configs: readonly ListenerConfig[],
    beside: ReadonlySet<number> = new Set(),
  ): {
    readonly added: readonly string[]
    readonly removed: readonly { readonly address: string; readonly shared: boolean }[]
    readonly turnAway: () => void
    readonly release: () => void
  } {
    const wanted = new Map(configs.map((config) => [listenerKey(config), config]))
    const added = new Map<string, ListenerSockets>()
    try {
      for (const [key, config] of wanted) {
        if (this.#bound.has(key)) continue
        added.set(key, bindListener(config, this.#workers, this.#host.duplicate, beside.has(config.port)))
      }
    } catch (error) {
      for (const sockets of added.values()) sockets.close()
      throw error
    }
    const removed = [...this.#bound].filter(([key]) => !wanted.has(key))
    this.#bound = new Map([...this.#bound, ...added].filter(([key]) => wanted.has(key)))
    return {
      added: [...added.keys()],
      removed: removed.map(([address, { shared }]) => ({ address, shared })),
      turnAway: () => {
        for (const [, sockets] of removed) this.#turnAway(sockets)
      },
      release: () => {
        for (const [, sockets] of removed) sockets.close()
      },
    }
  }

  /** A socket that another process has may be all that it has. */
  #turnAway(sockets: ListenerSockets): void {
    if (sockets.shared || this.#offered.has(sockets)) return
    for (const descriptor of sockets.descriptors) this.#host.turnAway(descriptor)
  }

  /** Closes everything. */
  close(): void {
    for (const sockets of this.#bound.values()) sockets.close()
    this.#bound = new Map()
  }
}
