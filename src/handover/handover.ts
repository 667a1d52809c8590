import type { Log } from '../core/log.ts'
import type { LoadedLibc } from '../linux/load-libc.ts'
import { activate } from './activation.ts'
import { Giver, type GiverOptions } from './giver.ts'
import { type Inheritance, nothingInherited } from './inheritance.ts'
import { listenFds, type PassedDescriptor } from './listen-fds.ts'
import type { Wanted } from './match.ts'
import { take } from './taker.ts'

export interface HandoverOptions {
  /** `spliceway` of `@spliceway`; null: this process neither takes over nor hands over. */
  readonly name: string | null
  readonly libc: LoadedLibc
  readonly uid: number
  /** The file of `handover.secret`; null: none. */
  readonly secret: string | null
  /** Version of the program. */
  readonly program: string
  /** Names of the admin listeners of this process. */
  readonly doors: readonly string[]
  /** Whether live connections move: as many as can to this process, and from it. */
  readonly movesSessions: boolean
  readonly log: Log
}

/** The admin listeners of a process (its doors, in the conversation), which a successor may want to open. */
export interface Doors {
  /** Of those that this process opens. */
  readonly names: readonly string[]
  /**
   * Throws when one of them could not be opened, as far as can be told without opening it. Those in `held`
   * are still open in the previous process.
   */
  check(held: readonly string[]): Promise<void>
  /** Closes the listeners that a successor opens. */
  close(names: readonly string[]): Promise<void>
  /** Opens what was closed: the successor is dead. */
  open(): Promise<void>
}

/** Where a process gets its listening sockets from at its start, and whom it leaves them to. */
export class Handover {
  readonly #options: HandoverOptions
  #giver: Giver | null = null

  constructor(options: HandoverOptions) {
    this.#options = options
  }

  /**
   * The sockets that systemd has passed and those that the previous process hands over; for an address that
   * comes from both, the latter. Never rejects.
   */
  async inherit(passed: readonly PassedDescriptor[], wanted: readonly Wanted[]): Promise<Inheritance> {
    const { name, log } = this.#options
    const libc = this.#options.libc.kind === 'loaded' ? this.#options.libc.libc : null
    const activated = libc === null || passed.length === 0 ? [] : activate(passed, wanted, libc, log)
    const taken =
      name === null
        ? nothingInherited
        : await take({ ...this.#options, name, libc, takesSessions: this.#options.movesSessions })
    const handed = new Set(taken.sockets.map(({ key }) => key))
    for (const { key, close } of activated) if (handed.has(key)) close()
    // systemd still holds the sockets that it has passed, even if they now come from the previous process.
    const shared = new Set(activated.map(({ key }) => key))
    const sockets = taken.sockets.map((each) => ({ ...each, shared: each.shared || shared.has(each.key) }))
    return { ...taken, sockets: [...activated.filter(({ key }) => !handed.has(key)), ...sockets] }
  }

  /** Waits for a successor. */
  give(
    heir: Pick<GiverOptions, 'inherited' | 'held' | 'drained' | 'settled' | 'left' | 'incumbent' | 'told'>,
  ): void {
    const { name } = this.#options
    if (name === null || this.#giver !== null) return
    const libc = this.#options.libc.kind === 'loaded' ? this.#options.libc.libc : null
    this.#giver = new Giver({ ...this.#options, ...heir, name, libc })
    this.#giver.open()
  }

  /** Waits no longer: another process does, or this one ends. */
  close(): void {
    this.#giver?.close()
  }
}

/**
 * Takes the descriptors of socket activation out of the environment: a child would take them for its own. To
 * be called once, before anything is started.
 */
export function takeListenFds(env: NodeJS.ProcessEnv, pid: number): readonly PassedDescriptor[] {
  const passed = listenFds(env, pid)
  delete env.LISTEN_PID
  delete env.LISTEN_FDS
  delete env.LISTEN_FDNAMES
  return passed
}
