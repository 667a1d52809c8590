import type { DrainConfig, ListenerConfig } from '../../config/config.ts'
import type { HeldSockets, InheritedSockets } from '../../core/inherited.ts'
import { type EndedBy, failures, phases, type Rejection, refusals } from '../../core/outcome.ts'
import { routeCount } from '../../core/route.ts'
import type { Snapshot } from '../../core/snapshot.ts'
import type { ListenerStatus } from '../../core/status.ts'
import {
  add,
  closedCell,
  heldCell,
  listenerCell,
  listenerField,
  rejectedCell,
  type Tally,
  workerCell,
} from '../../core/tally.ts'
import type { Parting } from '../registry/endpoint-record.ts'
import type { LimitNow } from '../shortage.ts'
import { createListenerSlots, type ListenerSlots } from './listener-slots.ts'
import { Listeners } from './listeners.ts'
import { Moves } from './moves.ts'
import { Rescue, type Rescued, type RescueOptions } from './rescue.ts'
import type { Host, Threads } from './threads.ts'

/** The kernel caps it at net.core.somaxconn, 4096 since Linux 5.4. */
const backlog = 4096

/**
 * What the main thread holds of the data plane: the workers, their listening sockets, and what they were
 * told.
 */
export class DataPlane {
  readonly slots: ListenerSlots
  /** Connections that change process. */
  readonly moves: Moves
  readonly #tally: Tally
  readonly #listeners: Listeners
  readonly #threads: Threads
  #snapshot: Snapshot | null = null
  readonly #started = new Set<number>()
  /** Workers that listen, by address. */
  readonly #listening = new Map<string, Set<number>>()
  /** Addresses that a successor accepts on: a worker that is replaced meanwhile must not. */
  #paused: ReadonlySet<string> = new Set()
  /** A reload and a drain may wait at the same time. */
  #waiting: (() => void)[] = []

  constructor(
    tally: Tally,
    threads: Threads,
    host: Pick<Host, 'duplicate' | 'turnAway' | 'judge'>,
    endpoints: RescueOptions['endpoints'],
  ) {
    this.#tally = tally
    this.#threads = threads
    this.slots = createListenerSlots(tally)
    this.#listeners = new Listeners(tally.workers, host)
    const listeners = () => new Map(this.slots.all().map(({ name, slot }) => [slot, name]))
    const { judge } = host
    const rescue = new Rescue({ pairs: threads.pairs, judge, ...threads.ids, listeners, endpoints })
    this.moves = new Moves(threads, () => rescue.distrust())
    threads.rescueBy((index, open) => rescue.collect(index, open))
    threads.on('started', (index) => this.#equip(index))
    threads.on('listening', (index, address) => this.#heard(index, address, true))
    threads.on('unlistened', (index, address) => this.#heard(index, address, false))
    threads.on('died', (index, rescued) => this.#died(index, rescued))
  }

  /** The latest; null before the first. */
  get snapshot(): Snapshot | null {
    return this.#snapshot
  }

  /** Connections under way. */
  get active(): number {
    return this.#tally.sum(workerCell.active) + this.moves.between
  }

  /** Counts sockets of other origin as bound: start() does not bind what is there. */
  adopt(inherited: readonly InheritedSockets[]): void {
    this.#listeners.adopt(inherited)
  }

  /**
   * Binds what is missing and starts the workers. Throws BindError, with nothing bound that was not before.
   * `beside`: ports of the process that this one takes over from.
   */
  start(listeners: readonly ListenerConfig[], beside: ReadonlySet<number> = new Set()): void {
    this.#listeners.bind(listeners, beside).release()
    this.#threads.start()
  }

  /** Keys of all bound sockets. */
  keys(): readonly string[] {
    return this.#listeners.keys()
  }

  /** Its listening sockets, for a successor of this process, which may have them from now on. */
  offer(): readonly HeldSockets[] {
    return this.#listeners.offer()
  }

  /** Tells the workers of a new state of the world. */
  publish(snapshot: Snapshot): void {
    const first = this.#snapshot === null
    this.#snapshot = snapshot
    this.slots.keep(new Set(snapshot.listeners.map(({ name }) => name)))
    this.#threads.broadcast({ kind: 'snapshot', snapshot })
    if (first) for (const index of this.#started) this.#equip(index)
  }

  /** As settled(), for a start. Rejects with WorkersFailed when no worker gets as far. */
  async started(): Promise<void> {
    await Promise.race([this.settled(), this.#threads.failed()])
  }

  /** Resolves when every worker accepts on every bound address, and none on any other. */
  async settled(): Promise<void> {
    const settled = () => {
      const bound = new Set(this.#listeners.keys()) // now: a drain may have closed what a reload has opened
      return (
        bound.values().every((address) => this.#listening.get(address)?.size === this.#tally.workers) &&
        this.#listening.entries().every(([address, workers]) => bound.has(address) || workers.size === 0)
      )
    }
    while (!settled()) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
  }

  /**
   * Binds what is new in `listeners`. Throws BindError with everything as it was. Call the result after
   * publish(): it opens the new addresses and closes those that are gone, and resolves when all workers have.
   */
  rebind(listeners: readonly ListenerConfig[]): () => Promise<void> {
    const { added, removed, turnAway, release } = this.#listeners.bind(listeners)
    return () => {
      for (const address of added) for (const index of this.#started) this.#lend(index, address)
      turnAway()
      for (const { address, shared } of removed) {
        this.#threads.broadcast({ kind: 'unlisten', address, queue: shared ? 'leave' : 'empty' })
      }
      release()
      return this.settled()
    }
  }

  /** FIN to connections (to these endpoints; null: to all) as they fall silent, spread over the window. */
  retire(slots: readonly number[] | null, windowMs: number, idleAfterMs: number, cause: EndedBy): void {
    this.#threads.broadcast({ kind: 'retire', slots, windowMs, idleAfterMs, cause })
  }

  /**
   * Begins what a parting says of the connections to these endpoints, in the place of what was begun before.
   */
  applyParting(slots: readonly number[], parting: Parting, { windowMs, idleAfterMs }: DrainConfig): void {
    switch (parting.kind) {
      case 'keep':
        this.#threads.broadcast({ kind: 'keep', slots })
        return
      case 'failback':
        this.retire(slots, windowMs, idleAfterMs, 'admin')
        return
      case 'close':
        this.retire(slots, windowMs, 0, parting.cause)
        return
      case 'reset':
        this.kill(slots, 'endpoint-down')
        return
    }
  }

  /** RST to connections to these endpoints; null: to everything. */
  kill(slots: readonly number[] | null, cause: EndedBy): void {
    this.#threads.broadcast({ kind: 'kill', slots, cause })
  }

  /** The pool has an endpoint again: clients that wait for one are told. */
  revived(pool: string): void {
    this.#threads.broadcast({ kind: 'revived', pool })
  }

  /**
   * No worker accepts on these addresses any more, but the sockets stay, and with them what waits in their
   * queues.
   */
  pauseAccepting(addresses: readonly string[]): void {
    this.#paused = new Set(addresses)
    for (const address of addresses) this.#threads.broadcast({ kind: 'unlisten', address, queue: 'leave' })
  }

  /** After pauseAccepting(). Resolves when all workers accept. */
  resumeAccepting(): Promise<void> {
    const paused = this.#paused
    this.#paused = new Set()
    for (const address of this.#listeners.keys().filter((key) => paused.has(key))) {
      for (const index of this.#started) this.#lend(index, address)
    }
    return this.settled()
  }

  /**
   * Resolves when no worker accepts any more, and what waited in queues that nobody else serves has been
   * accepted.
   */
  stopAccepting(): Promise<void> {
    for (const address of this.#listeners.keys()) {
      if (!this.#paused.has(address)) this.#unlisten(address)
    }
    this.#listeners.close()
    return this.settled()
  }

  async stop(): Promise<void> {
    await this.#threads.stop()
    this.#listeners.close()
  }

  /** The listeners of the latest snapshot. */
  listeners(): readonly ListenerStatus[] {
    const { listeners = [], maxConnections: most = Infinity } = this.#snapshot ?? {}
    const full = this.active >= most
    return listeners.map(({ name, address, slot, pool, routes, maxConnections }) => {
      const active = this.#tally.sum(listenerCell(slot) + listenerField.active)
      const ownFull = maxConnections !== null && active >= maxConnections
      return {
        name,
        address: this.#listeners.address(address) ?? 'closed',
        pool,
        routes: routes === null ? 0 : routeCount(routes),
        refused: this.#refused(slot),
        active,
        accepted: this.#tally.sum(listenerCell(slot) + listenerField.accepted),
        failed: this.#failed(slot),
        bytesUp: this.#tally.sum(listenerCell(slot) + listenerField.bytesUp),
        bytesDown: this.#tally.sum(listenerCell(slot) + listenerField.bytesDown),
        maxConnections,
        full: full ? 'limit' : ownFull ? 'listener-limit' : null,
      }
    })
  }

  /** Connections turned away at accept so far for this reason. */
  rejected(reason: Rejection): number {
    return this.#sum((slot) => rejectedCell(slot, reason))
  }

  /** The limit of the program, which comes from `limitedBy`, and those of listeners that have one. */
  limits(limitedBy: string): readonly LimitNow[] {
    const { listeners = [], maxConnections: connections = 0 } = this.#snapshot ?? {}
    const program = {
      whose: 'the program',
      connections,
      limitedBy,
      rejected: this.rejected('limit'),
      waiting: this.#sum((slot) => heldCell(slot, 'limit')) > 0,
    }
    const own = listeners.flatMap(({ name, slot, maxConnections }) => {
      if (maxConnections === null) return []
      return {
        whose: `listener ${name}`,
        connections: maxConnections,
        limitedBy: 'maxConnections',
        rejected: this.#tally.sum(rejectedCell(slot, 'listener-limit')),
        waiting: this.#tally.sum(heldCell(slot, 'listener-limit')) > 0,
      }
    })
    return [program, ...own]
  }

  /** By reason, those that there were. */
  #refused(slot: number): ListenerStatus['refused'] {
    return aboveZero(refusals, (reason) => this.#tally.sum(rejectedCell(slot, reason)))
  }

  /** By cause, those that there were. */
  #failed(slot: number): ListenerStatus['failed'] {
    return aboveZero(failures, (cause) =>
      phases.reduce((total, phase) => total + this.#tally.sum(closedCell(slot, cause, phase)), 0),
    )
  }

  /** A cell of each listener, summed over all. */
  #sum(cell: (slot: number) => number): number {
    return this.slots.all().reduce((total, { slot }) => total + this.#tally.sum(cell(slot)), 0)
  }

  /** Gives a new worker all it needs. */
  #equip(index: number): void {
    this.#started.add(index)
    const snapshot = this.#snapshot
    if (snapshot === null) return
    this.#threads.send(index, { kind: 'snapshot', snapshot })
    for (const address of this.#listeners.keys()) if (!this.#paused.has(address)) this.#lend(index, address)
    this.moves.house()
  }

  #unlisten(address: string): void {
    const queue = this.#listeners.shared(address) ? 'leave' : 'empty'
    this.#listeners.turnAway(address)
    this.#threads.broadcast({ kind: 'unlisten', address, queue })
  }

  #lend(index: number, address: string): void {
    const sockets = this.#listeners.lend(address, index)
    if (sockets === undefined) return
    const moving = sockets.filter((socket) => typeof socket === 'object')
    this.#threads.send(index, { kind: 'listen', address, sockets, backlog }, moving)
  }

  #heard(index: number, address: string, listening: boolean): void {
    const workers = this.#listening.get(address) ?? new Set()
    this.#listening.set(address, workers)
    if (listening) workers.add(index)
    else workers.delete(index)
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  /** Others of its connections ended with it: counted as our fault, in the row that nobody else writes. */
  #died(index: number, { byListener }: Rescued): void {
    this.#started.delete(index)
    for (const address of this.#listening.keys()) this.#heard(index, address, false)
    const row = this.#tally.row(index)
    for (const { slot } of this.slots.all()) {
      const lost = (row[listenerCell(slot) + listenerField.active] ?? 0) - (byListener.get(slot) ?? 0)
      if (lost > 0) add(this.#tally.row(0), closedCell(slot, 'proxy', 'data'), lost)
    }
  }
}

function aboveZero<Name extends string>(
  names: Iterable<Name>,
  count: (name: Name) => number,
): Partial<Record<Name, number>> {
  const counts: Partial<Record<Name, number>> = {}
  for (const name of names) {
    const found = count(name)
    if (found > 0) counts[name] = found
  }
  return counts
}
