import { flushCompileCache } from 'node:module'
import { BoundSocket } from 'node:net'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { processMs } from './clock.ts'
import { Turns } from './core/balance/round-robin.ts'
import type { FromWorker, ToWorker, WorkerStart } from './core/message.ts'
import { PairRows } from './core/pair-rows.ts'
import { PerSourceTable } from './core/per-source.ts'
import type { Snapshot } from './core/snapshot.ts'
import { add, rejectedCell, Tally, workerCell } from './core/tally.ts'
import { IPPROTO_TCP, SO_ERROR, SO_OOBINLINE, SOL_SOCKET, TCP_NOTSENT_LOWAT } from './linux/constants.ts'
import { errnoName } from './linux/errno.ts'
import { Fd } from './linux/fd.ts'
import type { Libc } from './linux/libc.ts'
import { loadLibc } from './linux/load-libc.ts'
import type { NetPlaneOptions } from './plane/net/net.ts'
import type { Listening, Plane, Wire } from './plane/plane.ts'
import { mostUnsent } from './plane/unsent.ts'
import { adoptAll, type Places } from './session/adoption.ts'
import { type Entrance, entrancesOf, type SessionContext, targetsOf } from './session/context.ts'
import { Gate } from './session/gate.ts'
import { Inquiry } from './session/inquiry.ts'
import { listenAll } from './session/listen-all.ts'
import { createLiveSessions, detachSome } from './session/live.ts'
import { Lobby } from './session/lobby.ts'
import { poolStates, wake } from './session/pool-state.ts'
import { Refusals } from './session/refusals.ts'
import { createReports } from './session/reports.ts'
import { createSigns } from './session/signs.ts'
import { Trials } from './session/trials.ts'
import { Waiting } from './session/waiting.ts'
import { WarmShelves } from './session/warm.ts'

const heartbeatMs = 1_000
/** By then all modules of the worker have been loaded. */
const settledMs = 500
/** After the reset of the last connections: for all of them to report their ends. */
const lastReportsMs = 10

/** No worker has so many connections: ids of one that died are not given again. */
const longLife = 2 ** 32

/** A data-plane thread: owns accept, serve and relay of its share of the connections. */
async function start(port: MessagePort, birth: WorkerStart): Promise<void> {
  const loaded = loadLibc(new Uint8Array(birth.openDescriptors))
  if (birth.plane === 'net') {
    const { createNetPlane } = await import('./plane/net/net.ts')
    run(port, birth, createNetPlane(loaded.kind === 'loaded' ? netCalls(loaded.libc) : withoutCalls))
    return
  }
  const { createSplicePlane } = await import('./plane/splice/splice.ts')
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  const row = new Tally(birth.workers, birth.rows).row(birth.index)
  const pipesChanged = (used: number, idle: number): void => {
    row[workerCell.pipesUsed] = used
    row[workerCell.pipesIdle] = idle
  }
  run(
    port,
    birth,
    createSplicePlane({
      ...birth,
      libc: loaded.libc,
      now: () => performance.now(),
      pipesChanged,
      handling: pairsOf(birth).handling(birth.index),
    }),
  )
}

function pairsOf({ workers, openDescriptors, pairs }: WorkerStart): PairRows {
  return new PairRows(workers, openDescriptors.byteLength, pairs)
}

const withoutCalls: NetPlaneOptions = { sight: null, tune: null, takeError: null }

/** What the net plane has from the kernel beside node:net. */
function netCalls(libc: Libc): NetPlaneOptions {
  return {
    sight: libc,
    takeError(descriptor) {
      const error = libc.getOption(new Fd(descriptor), SOL_SOCKET, SO_ERROR)
      return error > 0 ? errnoName(-error) : null
    },
    tune(descriptor) {
      const fd = new Fd(descriptor)
      libc.setOption(fd, SOL_SOCKET, SO_OOBINLINE, 1)
      libc.setOption(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, mostUnsent)
    },
  }
}

function run<W extends Wire>(port: MessagePort, birth: WorkerStart, plane: Plane<W>): void {
  const tell = (message: FromWorker): void => port.postMessage(message)
  const tally = new Tally(birth.workers, birth.rows)
  const row = tally.row(birth.index)
  const pairs = pairsOf(birth)
  const after = (ms: number, fire: () => void) => plane.after(ms, fire)
  let connections = birth.lives * longLife
  let sources = 0
  const reports = createReports(after, Date.now, (attempts, lines, count) =>
    tell({ kind: 'reports', attempts, lines, count }),
  )
  const signs = createSigns(after, (signs) => tell({ kind: 'signs', signs }))
  // performance.now() begins with its thread; what rows hold is compared with those of others.
  const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now()
  const nowMs = (): number => plane.now() + originMs
  const waiting = new Waiting({ tally, row, after, nowMs, sign: signs })
  const nextSource = (): number => sources++
  const spoke = (slot: number, ageMs: number): void => tell({ kind: 'spoke', slot, ageMs })
  const warm = new WarmShelves({ plane, tally, row, reports, nextSource, random: Math.random, spoke }, birth)
  const context: SessionContext<W> = {
    plane,
    tally,
    row,
    reports,
    signs,
    waiting,
    live: createLiveSessions(after, () => plane.now()),
    sources: new PerSourceTable(birth.index, birth.workers, birth.sources.seed, birth.sources.buffer),
    sharedMs: nowMs,
    pairs: { rows: pairs, owner: birth.index },
    lobby: new Lobby(tally, row),
    refusals: new Refusals(row, nowMs, (sample) => tell({ kind: 'refused', sample })),
    trials: new Trials(),
    warm,
    turns: new Turns(),
    random: Math.random,
    nextNumber: () => ++connections,
    idOf: (number) => `${birth.idPrefix}${birth.index}-${number.toString(36)}`,
    nextSource,
  }
  const inquiry = new Inquiry({ live: context.live, now: () => plane.now() })
  const stateOf = poolStates(after, birth.workers, (delta) => add(row, workerCell.queued, delta))
  let snapshot: Snapshot | null = null
  let entrances: ReadonlyMap<string, Entrance> = new Map()
  const listenings = new Map<string, Listening>()
  /** Of listeners that the snapshot has not any more and that have still to close: what comes is served. */
  const leaving = new Map<string, Entrance>()
  const gate = new Gate(context, (address) => entrances.get(address) ?? leaving.get(address))

  /** A worker that accepts nothing keeps no warm connections: when it drains it closes them. */
  const rewarm = (): void => {
    warm.update(
      listenings.size === 0
        ? []
        : new Set(entrances.values().flatMap((each) => targetsOf(each).map(({ pool }) => pool))),
    )
  }
  const listen = (address: string, sockets: readonly unknown[], backlog: number): void => {
    // Not before plane.listen() has returned: a connection is told of in a later turn.
    const hasRoom = (): boolean => gate.hasRoom(address, listening)
    const specs = sockets.map((socket) => {
      if (typeof socket === 'number' || socket instanceof BoundSocket) return { socket, backlog, hasRoom }
      throw new TypeError(`${address}: expected a bound socket, got ${typeof socket}`)
    })
    const accepted = (downstream: W): void => gate.admit(address, downstream)
    const refused = (): void => {
      const entrance = entrances.get(address)
      if (entrance !== undefined) add(row, rejectedCell(entrance.listener.slot, 'resource'), 1)
    }
    const listening = listenAll(plane, specs, accepted, refused)
    listenings.set(address, listening)
    rewarm()
    tell({ kind: 'listening', address })
  }
  const unlisten = (address: string, queue: 'empty' | 'leave', closed: () => void): void => {
    const listening = listenings.get(address)
    listenings.delete(address)
    const over = (): void => {
      leaving.delete(address)
      closed()
    }
    if (listening === undefined) over()
    else listening.close(queue, over)
    gate.forget(address)
    rewarm()
  }
  const stop = (): void => {
    for (const address of [...listenings.keys()]) unlisten(address, 'leave', () => {})
    context.live.kill(null, 'admin')
    context.trials.stop()
    stopBeat()
    plane.after(lastReportsMs, () => {
      context.reports.flush()
      port.close()
      plane.close()
    })
  }
  const take = (next: ReadonlyMap<string, Entrance>): void => {
    for (const address of listenings.keys()) {
      const entrance = entrances.get(address)
      if (entrance !== undefined && !next.has(address)) leaving.set(address, entrance)
    }
    entrances = next
  }
  const revived = (pool: string): void => {
    const states = entrances.values().flatMap((each) => targetsOf(each).map(({ state }) => state))
    for (const state of new Set(states)) if (state.pool.name === pool) wake(state)
  }
  const places = (): Places => {
    if (snapshot === null) throw new Error('connections came before the first snapshot')
    const targets = new Map(
      entrances.values().flatMap((each) => targetsOf(each).map((to) => [to.pool.name, to])),
    )
    const listeners = new Map(snapshot.listeners.map((listener) => [listener.name, listener]))
    return { snapshot, listener: (name) => listeners.get(name), pool: (name) => targets.get(name) }
  }
  const receive = (message: ToWorker): void => {
    switch (message.kind) {
      case 'snapshot':
        snapshot = message.snapshot
        take(entrancesOf(message.snapshot, stateOf))
        waiting.update(message.snapshot.pools)
        rewarm()
        tell({ kind: 'acknowledged', version: message.snapshot.version })
        return
      case 'listen':
        listen(message.address, message.sockets, message.backlog)
        return
      case 'unlisten':
        unlisten(message.address, message.queue, () => {
          tell({ kind: 'unlistened', address: message.address })
        })
        return
      case 'retire':
        context.live.retire(message.slots, message.windowMs, message.idleAfterMs, message.cause)
        return
      case 'keep':
        context.live.keep(message.slots)
        return
      case 'kill':
        context.live.kill(message.slots, message.cause)
        return
      case 'ask':
        tell({ kind: 'answer', request: message.request, answer: inquiry.answer(message.question) })
        return
      case 'revived':
        revived(message.pool)
        return
      case 'detach':
        tell({ kind: 'detached', request: message.request, ...detachSome(context.live, message.most) })
        return
      case 'adopt':
        adoptAll(context, places(), message)
        tell({ kind: 'adopted', from: message.from, count: message.sessions.length })
        return
      case 'stop':
        stop()
        return
    }
  }
  let stopBeat = (): void => {}
  const beat = (): void => {
    row[workerCell.heartbeatMs] = processMs()
    stopBeat = plane.after(heartbeatMs, beat)
  }
  // A bug must not look like a clean end to anyone. What main can go on with it does, and resets the rest; of
  // a plane that it cannot go on with, all connections are reset before the worker goes. Their gauges stay as
  // they are: main reads from them how many it lost.
  process.once('uncaughtException', (error) => {
    plane.close()
    warm.update([])
    if (plane.adopt === null) context.live.dropAll()
    context.trials.stop()
    context.reports.flush()
    setImmediate(() => {
      throw error
    })
  })
  port.on('message', receive)
  // Code compiled in this thread makes the next start faster
  plane.after(settledMs, () => flushCompileCache())
  beat()
  tell({ kind: 'started', wakeDescriptor: plane.wakeDescriptor })
}

if (parentPort === null) throw new Error('worker.ts runs in a worker thread')
await start(parentPort, workerData)
