import { EventEmitter } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { After } from '../../core/after.ts'
import { CodedError } from '../../core/coded-error.ts'
import type { ConnectionAnswer } from '../../core/connection.ts'
import type { Log } from '../../core/log.ts'
import type { FromWorker, PlaneName, RefusalSample, ToWorker, WorkerStart } from '../../core/message.ts'
import type { AdoptedFrom, MovedSession } from '../../core/moved.ts'
import type { Attempt } from '../../core/outcome.ts'
import { PairRows } from '../../core/pair-rows.ts'
import type { Sign } from '../../core/sign.ts'
import type { WorkerStatus } from '../../core/status.ts'
import { type Tally, workerCell } from '../../core/tally.ts'
import { type Judge, type LossReason, lossReasons, nobody, type Rescued } from './rescue.ts'
import type { Duplicate } from './sockets.ts'

/** A worker that dies again within this time waits before it is started once more. */
const youngMs = 10_000
const firstDelayMs = 100
const longestDelayMs = 5_000
/**
 * How often each worker may die at the start of the program before the program gives up; a passing fault is
 * over by then.
 */
const mostStarts = 3
/** How long a worker may take to end by itself before it is terminated. */
const stopMs = 1_000

/** What this host does for the workers beyond what Node does. */
export interface Host {
  /** null: sockets cannot be duplicated. */
  readonly duplicate: Duplicate | null
  /**
   * Takes no new connection on a listening socket, in no process that has it, while those that wait for
   * accept(2) are taken. Where it does nothing, who comes between the last of these and close() is reset.
   */
  turnAway(descriptor: number): void
  /** Writes to the eventfd of a thread that waits in the kernel. */
  wake(descriptor: number): void
  /** Closes what a thread that has ended left open; connections are reset. */
  closeAbandoned(openDescriptors: Uint8Array): void
  /** null: nobody can look at sockets here. */
  readonly judge: Judge | null
}

/** What is to be heard of the workers, by on(), each with what its listeners are called with. */
export interface WorkerNews {
  /** A worker is there, for the first time or again: it knows nothing yet. */
  started: [index: number]
  listening: [index: number, address: string]
  unlistened: [index: number, address: string]
  /** Every living worker uses this snapshot or a later one. */
  acknowledged: [version: number]
  /** `lines`: `count` lines of the access log. */
  reports: [attempts: readonly Attempt[], lines: string, count: number]
  signs: [signs: readonly Sign[]]
  /** One of many refused connections. */
  refused: [sample: RefusalSample]
  answered: [request: number, answer: ConnectionAnswer]
  /** An endpoint sent something on a warm connection that nobody had used. */
  spoke: [slot: number, ageMs: number]
  detached: [request: number, sessions: readonly MovedSession[], more: boolean]
  /** A worker goes on with so many. */
  adopted: [index: number, from: AdoptedFrom, count: number]
  /** A worker is dead; its row still has its gauges. `rescued`: what was its own, and can go on. */
  died: [index: number, rescued: Rescued]
}

export interface ThreadsOptions {
  readonly tally: Tally
  readonly birth: Omit<WorkerStart, 'index' | 'lives' | 'workers' | 'rows' | 'pairs' | 'openDescriptors'>
  /** Descriptor numbers are below this. */
  readonly openFiles: number
  readonly host: Pick<Host, 'wake' | 'closeAbandoned'>
  /** The worker's entry. */
  readonly entry: URL
  readonly log: Log
  readonly after: After
  /** Monotonic milliseconds, the same in all threads. */
  readonly nowMs: () => number
}

interface Thread {
  readonly index: number
  readonly openDescriptors: Uint8Array<SharedArrayBuffer>
  worker: Worker | null
  wakeDescriptor: number | null
  /** It has said so; who listens has told it all that it needs. */
  started: boolean
  bornMs: number
  version: number
  restarts: number
  delayMs: number
  fault: string
}

/** Every worker died at its start, again and again. */
export class WorkersFailed extends CodedError {
  constructor(fault: string) {
    super('ERR_WORKERS_FAILED', 'internal', `every worker died ${mostStarts} times at its start: ${fault}`)
  }
}

/** The worker threads: started, replaced when they die, stopped. Who wants to hear of them listens. */
export class Threads extends EventEmitter<WorkerNews> {
  /** Where workers write down connections that last. */
  readonly pairs: PairRows
  readonly #options: ThreadsOptions
  readonly #threads: Thread[] = []
  #plane: PlaneName
  /** Takes what can go on out of what a dead worker had. */
  #rescue: (index: number, open: Uint8Array) => Rescued = () => nobody
  #stopping = false
  #saved = 0
  readonly #lost: Record<LossReason, number> = { 'not-whole': 0, 'no-counters': 0, poison: 0, young: 0 }
  /** How many more deaths of each thread make the start fail; null: the start is over or has not begun. */
  #watched: { readonly deaths: number; readonly fail: (error: WorkersFailed) => void } | null = null

  constructor(options: ThreadsOptions) {
    super()
    this.#options = options
    this.#plane = options.birth.plane
    this.pairs = new PairRows(options.tally.workers, options.openFiles)
    for (let index = 1; index <= options.tally.workers; index++) {
      const openDescriptors = new Uint8Array(new SharedArrayBuffer(options.openFiles))
      this.#threads.push({
        index,
        openDescriptors,
        worker: null,
        wakeDescriptor: null,
        started: false,
        bornMs: 0,
        version: 0,
        restarts: 0,
        delayMs: 0,
        fault: '',
      })
    }
  }

  start(): void {
    for (const thread of this.#threads) this.#spawn(thread)
  }

  /**
   * Never resolves; rejects with WorkersFailed when each worker dies so often from now on. The last call
   * counts.
   */
  failed(): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>()
    const deaths = Math.max(...this.#threads.map(({ restarts }) => restarts)) + mostStarts
    this.#watched = { deaths, fail: reject }
    return promise
  }

  rescueBy(rescue: (index: number, open: Uint8Array) => Rescued): void {
    this.#rescue = rescue
  }

  /** What ids begin with, and the clock of rows. */
  get ids(): { readonly idPrefix: string; readonly nowMs: () => number } {
    return { idPrefix: this.#options.birth.idPrefix, nowMs: this.#options.nowMs }
  }

  /** Those that are born from now on are of this plane. */
  usePlane(plane: PlaneName): void {
    this.#plane = plane
  }

  /** Tells every living worker. */
  broadcast(message: ToWorker): void {
    for (const thread of this.#threads) this.#post(thread, message)
  }

  /** Tells one worker; does nothing when it is dead, and says so. `transfer` moves along. */
  send(index: number, message: ToWorker, transfer: readonly object[] = []): boolean {
    const thread = this.#threads[index - 1]
    if (thread === undefined || thread.worker === null) return false
    if (message.kind === 'listen') this.#count(thread, message.sockets)
    if (message.kind === 'adopt')
      for (const { descriptors } of message.sessions) this.#count(thread, descriptors)
    this.#post(thread, message, transfer)
    return true
  }

  /** Indices of those that are alive and have begun, the one with the fewest connections first. */
  alive(): readonly number[] {
    return this.status()
      .filter(({ index }) => this.#threads[index - 1]?.started)
      .sort((a, b) => a.active - b.active)
      .map(({ index }) => index)
  }

  /** How many died and were replaced; of their connections, how many went on, and of the others, why not. */
  get deaths() {
    const restarts = this.#threads.reduce((sum, thread) => sum + thread.restarts, 0)
    return { restarts, adopted: this.#saved, lost: this.#lost }
  }

  status(): readonly WorkerStatus[] {
    const { tally } = this.#options
    const nowMs = this.#options.nowMs()
    return this.#threads.map(({ index, worker, bornMs, restarts }) => {
      const row = tally.row(index)
      const heartbeatMs = row[workerCell.heartbeatMs] || bornMs
      return {
        index,
        alive: worker !== null,
        heartbeatAgeMs: Math.max(0, nowMs - heartbeatMs),
        active: row[workerCell.active] ?? 0,
        restarts,
      }
    })
  }

  /**
   * For tests: a message that main never sends makes the worker throw, as a bug would; `terminate` ends it
   * wherever it is, as running out of memory does.
   */
  break(index: number, how: 'throw' | 'terminate'): void {
    if (how === 'terminate') void this.#threads[index - 1]?.worker?.terminate()
    else this.send(index, { kind: 'listen', address: 'injected fault', sockets: [null], backlog: 0 })
  }

  /** Resets what is left, takes the last reports and ends every worker. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(
      this.#threads.map(async (thread) => {
        const { worker } = thread
        if (worker === null) return
        const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
        const cancel = this.#options.after(stopMs, () => void worker.terminate())
        this.#post(thread, { kind: 'stop' })
        await exited
        cancel()
      }),
    )
  }

  /**
   * Descriptors that are on their way are the worker's already: when it dies before it has read the message,
   * they are closed with its own. Not on the net plane, where libuv closes them and does not say so.
   */
  #count({ openDescriptors }: Thread, sockets: readonly unknown[]): void {
    if (this.#plane === 'net') return
    for (const socket of sockets) if (typeof socket === 'number') openDescriptors[socket] = 1
  }

  #post({ worker, wakeDescriptor }: Thread, message: ToWorker, transfer: readonly object[] = []): void {
    worker?.postMessage(message, transfer as [])
    if (worker !== null && wakeDescriptor !== null) this.#options.host.wake(wakeDescriptor)
  }

  #spawn(thread: Thread): void {
    const { birth, tally, entry, nowMs } = this.#options
    const workerData: WorkerStart = {
      ...birth,
      workers: tally.workers,
      rows: tally.buffer,
      pairs: this.pairs.buffer,
      lives: thread.restarts,
      plane: this.#plane,
      index: thread.index,
      openDescriptors: thread.openDescriptors.buffer,
    }
    const worker = new Worker(entry, { workerData, name: `spliceway-${thread.index}` })
    thread.worker = worker
    thread.bornMs = nowMs()
    thread.version = 0
    thread.fault = 'it ended by itself'
    worker.on('message', (message: FromWorker) => this.#receive(thread, message))
    worker.on('error', (error) => {
      thread.fault = error instanceof Error ? (error.stack ?? error.message) : String(error)
    })
    worker.once('exit', () => this.#exited(thread))
  }

  #receive(thread: Thread, message: FromWorker): void {
    switch (message.kind) {
      case 'started':
        thread.wakeDescriptor = message.wakeDescriptor
        thread.started = true
        this.emit('started', thread.index)
        return
      case 'listening':
        this.emit('listening', thread.index, message.address)
        return
      case 'unlistened':
        this.emit('unlistened', thread.index, message.address)
        return
      case 'acknowledged':
        thread.version = message.version
        this.emit('acknowledged', this.#oldestVersion())
        return
      case 'spoke':
        this.emit('spoke', message.slot, message.ageMs)
        return
      case 'signs':
        this.emit('signs', message.signs)
        return
      case 'refused':
        this.emit('refused', message.sample)
        return
      case 'adopted':
        this.emit('adopted', thread.index, message.from, message.count)
        return
      case 'answer':
        this.emit('answered', message.request, message.answer)
        return
      case 'detached':
        this.emit('detached', message.request, message.sessions, message.more)
        return
      case 'reports':
        this.emit('reports', message.attempts, message.lines, message.count)
        return
    }
  }

  #oldestVersion(): number {
    return Math.min(...this.#threads.map(({ worker, version }) => (worker === null ? Infinity : version)))
  }

  #exited(thread: Thread): void {
    thread.worker = null
    thread.wakeDescriptor = null
    thread.started = false
    const { tally, log, after, nowMs, host } = this.#options
    if (this.#stopping) {
      host.closeAbandoned(thread.openDescriptors)
      return
    }
    const rescued = this.#rescue(thread.index, thread.openDescriptors)
    host.closeAbandoned(thread.openDescriptors)
    const saved = rescued.sessions.length
    const losses = lossesOf(rescued, tally.row(thread.index)[workerCell.active] ?? 0)
    const lost = losses.reduce((sum, { count }) => sum + count, 0)
    for (const { reason, count } of losses) this.#lost[reason] += count
    this.#saved += saved
    const others = this.#threads.filter(({ worker }) => worker !== null).length
    const why = losses.filter(({ count }) => count > 0).map(({ reason, count }) => `${count} ${reason}`)
    log.error(
      {
        worker: thread.index,
        connectionsAdopted: saved,
        connectionsLost: lost,
        lost: Object.fromEntries(losses.map(({ reason, count }) => [reason, count])),
        fault: thread.fault,
      },
      `worker ${thread.index} died and took ${lost} connection${lost === 1 ? '' : 's'} with it` +
        `${why.length === 0 ? '' : ` (${why.join(', ')})`}, ${saved} go on; ` +
        `${others} of ${this.#threads.length} workers serve on, a new one takes its place`,
    )
    this.emit('died', thread.index, rescued)
    tally.retire(thread.index)
    const young = nowMs() - thread.bornMs < youngMs
    thread.restarts++
    const watched = this.#watched
    if (watched !== null && this.#threads.every(({ restarts }) => restarts >= watched.deaths)) {
      this.#watched = null
      watched.fail(new WorkersFailed(thread.fault))
    }
    const delayMs = thread.delayMs
    thread.delayMs = young ? Math.min(longestDelayMs, Math.max(firstDelayMs, thread.delayMs * 2)) : 0
    after(delayMs, () => {
      if (!this.#stopping) this.#spawn(thread)
    })
  }
}

/** `active`: how many it had. Of those that were under way to it, it had none yet. */
function lossesOf(
  { sessions, lost }: Rescued,
  active: number,
): readonly { readonly reason: LossReason; readonly count: number }[] {
  const known = lossReasons
    .filter((reason) => reason !== 'young')
    .map((reason) => ({ reason, count: lost[reason] }))
  const written = known.reduce((sum, { count }) => sum + count, sessions.length)
  return [...known, { reason: 'young', count: Math.max(0, active - written) }]
}
