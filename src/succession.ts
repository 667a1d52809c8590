import type { ListenerConfig } from './config/config.ts'
import type { After } from './control/after.ts'
import { bindPatiently } from './control/bind-patiently.ts'
import type { DataPlane } from './control/data-plane.ts'
import { listenerKey } from './control/listeners.ts'
import { type Doors, Handover } from './handover/handover.ts'
import { type HandoverLog, type Inheritance, nothingInherited } from './handover/inheritance.ts'
import type { PassedDescriptor } from './handover/listen-fds.ts'
import { needLibc } from './host.ts'
import type { LoadedLibc } from './linux/libc.ts'

/** A process that died a moment ago may still have its ports for so long. */
const bereavedMs = 2_000

export interface SuccessionOptions {
  /** `spliceway` of `@spliceway`; null: this process neither takes over nor hands over. */
  readonly name: string | null
  readonly libc: LoadedLibc
  /** Version of the program. */
  readonly program: string
  readonly log: HandoverLog
  readonly after: After
  /** Listening sockets of socket activation. */
  readonly passed?: readonly PassedDescriptor[]
  readonly doors?: Doors
  readonly dataPlane: DataPlane
  /** Whether this process drains by itself. */
  readonly draining: () => boolean
  /** Another process is there to stay: begin to drain. */
  readonly leave: () => void
}

/** The place of this process among those that serve one after the other: from whom it has its sockets, and who gets them. */
export class Succession {
  readonly #options: SuccessionOptions
  readonly #handover: Handover
  #inheritance: Inheritance = nothingInherited
  #yielded = false

  constructor(options: SuccessionOptions) {
    this.#options = options
    const doors = options.doors?.names ?? []
    this.#handover = new Handover({ ...options, uid: process.getuid?.() ?? 0, doors })
  }

  /** Another process accepts in our place. It may die: then this becomes false again. */
  get yielded(): boolean {
    return this.#yielded
  }

  /** The data plane starts on what is inherited, and on the rest anew. Throws BindError or ConfigError; nothing is left then. */
  async begin(listeners: readonly ListenerConfig[]): Promise<void> {
    const { libc, passed = [], dataPlane, after } = this.#options
    if (passed.length > 0) needLibc(libc, 'the sockets of the socket unit')
    const wanted = listeners.map((listener) => ({ ...listener, key: listenerKey(listener) }))
    this.#inheritance = await this.#handover.inherit(passed, wanted)
    const { sockets, beside, bereaved } = this.#inheritance
    dataPlane.adopt(sockets)
    try {
      await bindPatiently(() => dataPlane.start(listeners, beside), bereaved ? bereavedMs : 0, after)
    } catch (error) {
      this.#inheritance.abandon()
      await dataPlane.stop()
      throw error
    }
  }

  /** All listeners accept: the process before lets go, and this one waits for the next. Never rejects. */
  async accepting(): Promise<void> {
    await this.#inheritance.accepting()
    this.#handover.give(() => this.#options.dataPlane.held(), {
      yield: (doors) => this.#yield(doors),
      resume: () => this.#resume(),
      leave: this.#options.leave,
    })
  }

  /** This process is told to stop, so it has not died: the one before need not come back. */
  settle(): void {
    this.#inheritance.settle()
  }

  close(): void {
    this.#handover.close()
    this.#inheritance.abandon()
  }

  async #yield(doors: readonly string[]): Promise<void> {
    this.settle()
    this.#yielded = true
    this.#options.dataPlane.pauseAccepting()
    await this.#options.doors?.close(doors)
  }

  async #resume(): Promise<void> {
    const { dataPlane, doors, draining } = this.#options
    if (draining()) return
    this.#yielded = false
    await Promise.all([dataPlane.resumeAccepting(), doors?.open()])
  }
}
