import type { DrainConfig, ListenerConfig } from './config/config.ts'
import type { Registry } from './control/registry/registry.ts'
import type { DataPlane } from './control/workers/data-plane.ts'
import { listenerKey } from './control/workers/listeners.ts'
import { BindError } from './control/workers/sockets.ts'
import type { After } from './core/after.ts'
import { goneEndpoint } from './core/gone.ts'
import type { Log } from './core/log.ts'
import type { MovedSession } from './core/moved.ts'
import type { PredecessorStatus } from './core/status.ts'
import type { GiverNews } from './handover/giver.ts'
import { type Doors, Handover } from './handover/handover.ts'
import { type Inheritance, nothingInherited } from './handover/inheritance.ts'
import type { PassedDescriptor } from './handover/listen-fds.ts'
import { LiveGiver } from './handover/live-giver.ts'
import { takeSessions } from './handover/live-taker.ts'
import type { DrainedEndpoint } from './handover/message.ts'
import { Predecessors } from './handover/predecessors.ts'
import { type Left, Remains } from './handover/remains.ts'
import { needLibc } from './host.ts'
import type { Fd } from './linux/fd.ts'
import type { Libc } from './linux/libc.ts'
import type { LoadedLibc } from './linux/load-libc.ts'

const gaveUp = { gone: 'has gone', hung: 'does not answer' } as const

/** A process that died a moment ago may hold its ports this much longer. */
const bereavedMs = 2_000
const bindAgainMs = 20

export interface SuccessionOptions {
  /** `spliceway` of `@spliceway`; null: this process neither takes over nor hands over. */
  readonly name: string | null
  readonly libc: LoadedLibc
  /** The file of `handover.secret`; null: none, and no other process is proven. */
  readonly secret: string | null
  /** Version of the program. */
  readonly program: string
  readonly log: Log
  readonly after: After
  /** Listening sockets of socket activation. */
  readonly passed?: readonly PassedDescriptor[]
  readonly doors?: Doors
  /**
   * Whether live connections go to a successor, and come from the process before: a plane that cannot may
   * have taken the place of another one since the start.
   */
  readonly canMove: () => boolean
  readonly drainConfig: () => DrainConfig
  readonly registry: Pick<Registry, 'status' | 'drain'>
  readonly dataPlane: DataPlane
  /** Whether this process drains by itself. */
  readonly draining: () => boolean
  readonly nowMs: () => number
  /** What becomes of those that want to take its place. */
  readonly told?: (news: GiverNews) => void
  /** What this process still carries. */
  readonly left: () => Left
  /** Another process is there to stay: begin to drain. */
  readonly leave: () => void
  /** The previous process goes on serving, or serves again: begin to drain. */
  readonly fail: (why: string) => void
}

/**
 * How this process stands to those before and after it. alone: it serves, and nobody else would. probation:
 * the process before would serve again if this one went now. yielded: a successor accepts in its place, and
 * has yet to prove itself. followed: another process serves for good, its successor or again the one before.
 */
type Place = 'alone' | 'probation' | 'yielded' | 'followed'

/**
 * The place of this process among those that serve one after the other: from whom it has its sockets, and who
 * gets them.
 */
export class Succession {
  readonly #options: SuccessionOptions
  readonly #handover: Handover
  readonly #predecessors: Predecessors
  readonly #remains: Remains
  #inheritance: Inheritance = nothingInherited
  #place: Place = 'alone'

  constructor(options: SuccessionOptions) {
    this.#options = options
    const doors = options.doors?.names ?? []
    const uid = process.getuid?.() ?? 0
    const libc = options.libc.kind === 'loaded' ? options.libc.libc : null
    this.#handover = new Handover({ ...options, movesSessions: options.canMove(), uid, doors })
    this.#predecessors = new Predecessors({ ...options, libc, uid })
    this.#remains = new Remains({ ...options, libc, uid })
  }

  /** Another process accepts in our place. It may go: then this becomes false again. */
  get yielded(): boolean {
    return this.#place === 'yielded' || this.#place === 'followed'
  }

  /** Processes before this one that still carry connections. */
  get predecessors(): readonly PredecessorStatus[] {
    return this.#predecessors.status()
  }

  /**
   * The data plane starts on what is inherited, and on the rest anew. Throws BindError or ConfigError, or
   * because an admin listener cannot be had: call fail() then.
   */
  async begin(listeners: readonly ListenerConfig[]): Promise<void> {
    const { libc, passed = [], dataPlane, after, doors, draining } = this.#options
    if (passed.length > 0) needLibc(libc, 'the sockets of the socket unit')
    const wanted = listeners.map((listener) => ({ ...listener, key: listenerKey(listener) }))
    this.#inheritance = await this.#handover.inherit(passed, wanted)
    const { sockets, beside, bereaved } = this.#inheritance
    dataPlane.adopt(sockets)
    if (draining()) return // told to stop meanwhile
    await bindPatiently(() => dataPlane.start(listeners, beside), bereaved ? bereavedMs : 0, after)
    await doors?.check(this.#inheritance.doors)
  }

  /** All pools are known: endpoints that were drained by hand in the process before are drained here. */
  recall(): void {
    for (const { pool, endpoint } of this.#inheritance.drained) this.#options.registry.drain(pool, endpoint)
  }

  /** The start has failed: the previous process goes on serving. */
  async fail(): Promise<void> {
    this.#inheritance.abandon()
    await this.#options.dataPlane.stop()
  }

  /**
   * All listeners accept: the process before lets go, and this one waits for the next. Never rejects. When
   * the one before serves on all the same, this one has failed.
   */
  async accepting(): Promise<void> {
    const { dataPlane, draining, leave, fail } = this.#options
    if (draining()) return
    const bound = new Set(dataPlane.keys())
    const keys = this.#inheritance.sockets.map(({ key }) => key).filter((key) => bound.has(key))
    this.#place = 'probation'
    const refused = await this.#inheritance.accepting(keys)
    if (this.#place !== 'probation') return // told to stop meanwhile
    if (refused !== null) {
      this.#place = 'followed'
      fail(`the process before this one serves on: ${refused}`)
      return
    }
    this.#predecessors.watch(this.#inheritance.left)
    const { told } = this.#options
    this.#handover.give({
      ...(told && { told }),
      left: () => [this.#remains.name, ...this.#predecessors.names()],
      inherited: this.#inheritance.name,
      held: () => dataPlane.offer(),
      drained: () => this.#drained(),
      settled: this.#proven(),
      incumbent: {
        yield: (keys, doors) => this.#yield(keys, doors),
        resume: () => this.#resume(),
        leave: () => {
          this.#place = 'followed'
          leave()
        },
        move: (channel, who) => void this.#give(channel, who),
      },
    })
  }

  /**
   * This process is told to stop. In its probation, it hangs up: the one before serves again, opens its admin
   * listeners, and is called by the next one.
   */
  async withdraw(): Promise<void> {
    const { doors } = this.#options
    if (this.#place !== 'probation') {
      if (this.#place === 'alone') this.#inheritance.abandon() // the start is not over
      return
    }
    this.#place = 'followed'
    this.#handover.close()
    await doors?.close(this.#inheritance.doors)
    this.#inheritance.abandon()
  }

  close(): void {
    this.#handover.close()
    this.#remains.close()
    this.#predecessors.close()
    this.#inheritance.abandon()
  }

  /** Resolves to whether this process stays. */
  async #proven(): Promise<boolean> {
    const fate = await this.#inheritance.fate()
    if (fate.kind === 'reclaimed') {
      this.#handover.close()
      await this.#options.doors?.close(this.#inheritance.doors)
      this.#place = 'followed'
      this.#options.fail(`the process before this one accepts again: ${fate.reason}`)
    } else if (fate.kind === 'settled' && this.#place === 'probation') this.#place = 'alone'
    if (fate.kind === 'settled' && fate.channel !== null) void this.#take(fate.channel)
    return fate.kind === 'settled'
  }

  /** The successor goes on with the live connections of this process. */
  async #give(channel: Fd, who: string): Promise<void> {
    const { log, dataPlane } = this.#options
    const { moves } = dataPlane
    const libc = this.#libc()
    if (!this.#options.canMove()) {
      libc.close(channel)
      return
    }
    const source = {
      detach: (most: number) => moves.detachNext(most),
      departed: (count: number) => moves.departed(count),
      takeBack: (sessions: readonly MovedSession[]) => void moves.takeBack(sessions),
      get active() {
        return dataPlane.active
      },
    }
    const beganMs = performance.now()
    const { kind, connections, ...how } = await new LiveGiver({
      libc,
      channel,
      source,
      log,
    }).run()
    const ms = Math.round(performance.now() - beganMs)
    const fields = { to: who, connections, ...how, ms, left: dataPlane.active }
    const count = `${connections} live connection${connections === 1 ? '' : 's'}`
    if (kind === 'all') log.info(fields, `moved ${count} to ${who} in ${ms} ms: none is left here`)
    else log.warn(fields, `moved ${count} to ${who}, which ${gaveUp[kind]}: ${fields.left} end here`)
  }

  /** Goes on with the live connections of the process before. */
  async #take(channel: Fd): Promise<void> {
    const { log, dataPlane, canMove } = this.#options
    const libc = this.#libc()
    if (!canMove()) {
      libc.close(channel)
      return
    }
    const adopt = (sessions: readonly MovedSession[]) => dataPlane.moves.adopt(sessions)
    const beganMs = performance.now()
    const taken = await takeSessions({ libc, channel, adopt, log })
    const ms = Math.round(performance.now() - beganMs)
    // Of endpoints that this configuration does not have, and whose pools have said `onRemoval: close`.
    const gone = { kind: 'close', cause: 'admin' } as const
    dataPlane.applyParting([goneEndpoint.close], gone, this.#options.drainConfig())
    log.info({ ...taken, ms }, `live connections that came from the process before: ${taken.connections}`)
  }

  #drained(): readonly DrainedEndpoint[] {
    return this.#options.registry
      .status()
      .flatMap(({ name: pool, endpoints }) =>
        endpoints.flatMap(({ endpoint, state }) => (state === 'draining' ? [{ pool, endpoint }] : [])),
      )
  }

  /** Where a channel has come or gone, libc is there. */
  #libc(): Libc {
    const { libc } = this.#options
    if (libc.kind === 'loaded') return libc.libc
    throw new Error(`a channel for live connections without libc: ${libc.reason}`)
  }

  async #yield(keys: readonly string[], doors: readonly string[]): Promise<void> {
    this.#place = 'yielded'
    this.#options.dataPlane.pauseAccepting(keys)
    this.#remains.open()
    await this.#options.doors?.close(doors)
  }

  async #resume(): Promise<void> {
    const { dataPlane, doors } = this.#options
    this.#place = 'alone'
    this.#remains.close()
    await Promise.all([dataPlane.resumeAccepting(), doors?.open()])
  }
}

/**
 * Calls `bind` again for `patientMs` when it throws a BindError; then that error is thrown, any other at
 * once.
 */
async function bindPatiently(bind: () => void, patientMs: number, after: After): Promise<void> {
  for (let leftMs = patientMs; ; leftMs -= bindAgainMs) {
    try {
      bind()
      return
    } catch (error) {
      if (!(error instanceof BindError) || leftMs <= 0) throw error
    }
    await new Promise<void>((resolve) => {
      after(bindAgainMs, resolve)
    })
  }
}
