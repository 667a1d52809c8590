import type { Block } from '../../linux/block.ts'
import { EPOLLET, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '../../linux/constants.ts'
import { eventBits, eventHigh, eventLow, eventsIn } from '../../linux/epoll-event.ts'
import { EINTR } from '../../linux/errno.ts'
import type { Fd } from '../../linux/fd.ts'
import { type Libc, must } from '../../linux/libc.ts'
import type { Clock } from './clock.ts'

/** Whatever is notified of a descriptor's edges. */
export interface Watcher {
  /** Where it is in the poller's table; -1: nowhere. Only the poller writes it. */
  place: number
  /**
   * `events` are bits of EPOLLIN and so on. Each edge is told once: what it allows must be done, or
   * remembered.
   */
  ready(events: number): void
}

/** Edges that every socket is registered for, once and for all: one epoll_ctl a connection. */
const socketEvents = (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET) >>> 0
/**
 * Level: a listener that stops accepting for a moment is told again. Not EPOLLEXCLUSIVE: of several threads
 * or processes that wait for one socket it wakes only one, and a connection would wait if that one was just
 * about to stop accepting. It was measured to save nothing (42,600 instead of 40,700 connections/s, 10.8
 * instead of 10.6 µs each).
 */
const listenerEvents = EPOLLIN
/** What a batch may hold: 60 events a turn were the most under full load. */
const batchEvents = 256
/**
 * A turn returns to the event loop after so many batches or so long. Each return costs about 3 µs, and 20
 * where caches are cold, as they are with one connection at a time; nobody waits for it, because main's
 * messages end a turn by themselves.
 */
const batchesATurn = 256
const turnMs = 10
/** Never blocked longer: a wake-up that was lost costs no more than this. */
const longestWaitMs = 1_000
/**
 * So many full batches may come before a timer fires that is due: 80,000 events, a pause of many seconds
 * under full load.
 */
const fullBatches = 256
/**
 * A wait longer than asked for by more than this was followed by a pause, in which came what it did not see.
 */
const pauseMs = 10
/** The index of the eventfd; sockets begin above it. */
const wakePlace = 0

const nothing = (): void => {}

/**
 * Edge-triggered epoll, one turn a macrotask, so that messages go on between turns. A descriptor may be
 * closed, and its number used again, within one batch: an event is for a place in a generation, not for a
 * number.
 */
export class Poller {
  readonly wakeFd: Fd
  /** The number of the present batch of events. */
  batch = 0
  readonly #libc: Libc
  readonly #clock: Clock
  /** One word: the place that is looked at; 0: none. Not cleared by a throw: it is there to tell of one. */
  readonly #handling: Int32Array<ArrayBufferLike>
  readonly #epoll: Fd
  readonly #events: Block
  readonly #watchers: (Watcher | null)[] = [null]
  readonly #generations: number[] = [0]
  readonly #free: number[] = []
  /** The first `#waiting` are to be called; the rest is room. */
  #later: (() => void)[] = []
  #spare: (() => void)[] = []
  #waiting = 0
  #running = false
  /** Batches since timers last fired behind which there may be more: full ones, and those before a pause. */
  #full = 0
  readonly #turn = (): void => this.#run()

  constructor(libc: Libc, clock: Clock, handling: Int32Array<ArrayBufferLike> = new Int32Array(1)) {
    this.#libc = libc
    this.#clock = clock
    this.#handling = handling
    this.#epoll = must('epoll_create1', libc.epoll())
    this.wakeFd = must('eventfd', libc.eventfd())
    this.#events = libc.block(batchEvents * 16)
    must('epoll_ctl', libc.epollAdd(this.#epoll, this.wakeFd, EPOLLIN, wakePlace, 0))
  }

  /** Begins to turn, for as long as the thread lives. */
  start(): void {
    if (this.#running) return
    this.#running = true
    setImmediate(this.#turn)
  }

  stop(): void {
    this.#running = false
  }

  /**
   * Tells `watcher` of a socket's edges, beginning with what is there now. A negative errno when the kernel
   * refuses.
   */
  watch(fd: Fd, watcher: Watcher): number {
    return this.#add(fd, watcher, socketEvents)
  }

  /** Tells `watcher` for as long as connections wait. */
  watchListener(fd: Fd, watcher: Watcher): number {
    return this.#add(fd, watcher, listenerEvents)
  }

  /**
   * Stops notifying, also of events in the present batch. Closing the descriptor takes it out of the kernel's
   * set.
   */
  forget(watcher: Watcher): void {
    const { place } = watcher
    if (place === -1) return
    watcher.place = -1
    this.#watchers[place] = null
    this.#generations[place] = ((this.#generations[place] ?? 0) + 1) >>> 0
    this.#free.push(place)
  }

  /** As forget(), for a descriptor that stays open. */
  mute(fd: Fd, watcher: Watcher): void {
    if (watcher.place === -1) return
    this.forget(watcher)
    this.#libc.epollDelete(this.#epoll, fd)
  }

  /**
   * Calls `work` when all events of this batch have been told, or those of the next: never before this
   * returns.
   */
  later(work: () => void): void {
    this.#later[this.#waiting++] = work
  }

  /** As later(), for what is about `watcher`. */
  laterAbout(watcher: Watcher, work: () => void): void {
    this.later(() => {
      this.#handling[0] = watcher.place
      work()
      this.#handling[0] = wakePlace
    })
  }

  #add(fd: Fd, watcher: Watcher, events: number): number {
    const place = this.#free.pop() ?? this.#watchers.length
    const generation = this.#generations[place] ?? 0
    this.#generations[place] = generation
    this.#watchers[place] = watcher
    watcher.place = place
    const result = this.#libc.epollAdd(this.#epoll, fd, events, place, generation)
    if (result < 0) this.forget(watcher)
    return result
  }

  #run(): void {
    if (!this.#running) return
    setImmediate(this.#turn) // first, so that a throw below does not end the turning
    const untilMs = this.#clock.read() + turnMs
    // Every batch may block: nothing of a connection waits for libuv or for a promise, and main's messages
    // wake us.
    for (let batch = 0; batch < batchesATurn; batch++) {
      const woken = this.#batch()
      if (woken || this.#clock.nowMs >= untilMs) return
    }
  }

  /** True: main has a message, or nothing happened. */
  #batch(): boolean {
    const askedMs = this.#clock.read()
    const waitMs = this.#waiting === 0 ? this.#clock.waitMs(longestWaitMs) : 0
    let count = this.#libc.epollWait(this.#epoll, this.#events, waitMs)
    // Stopped and continued (SIGSTOP): nothing was looked at, however much there is.
    if (count === EINTR) count = this.#libc.epollWait(this.#epoll, this.#events, 0)
    this.batch++
    // The kernel stops a process where it leaves the wait, too, with what the wait had seen before.
    const paused = this.#clock.read() - askedMs > waitMs + pauseMs
    if (count < 0 && count !== EINTR) must('epoll_wait', count)
    let woken = count <= 0
    for (let i = 0; i < count; i++) {
      const place = eventLow(this.#events, i)
      if (place === wakePlace) {
        this.#libc.clearEventfd(this.wakeFd)
        woken = true
      } else if (this.#generations[place] === eventHigh(this.#events, i)) {
        this.#handling[0] = place
        this.#watchers[place]?.ready(eventBits(this.#events, i))
      }
    }
    this.#handling[0] = wakePlace
    // A process that was paused for longer than a timeout reads what has come meanwhile before timers judge a
    // peer.
    this.#full = count < eventsIn(this.#events) && !paused ? 0 : this.#full + 1
    if (this.#full === 0 || this.#full > fullBatches) this.#clock.fire()
    if (this.#waiting > 0) this.#work()
    return woken
  }

  /** What is asked for while it works is for the next batch. */
  #work(): void {
    const now = this.#later
    const count = this.#waiting
    this.#later = this.#spare
    this.#spare = now
    this.#waiting = 0
    for (let i = 0; i < count; i++) {
      const work = now[i] ?? nothing
      now[i] = nothing // it keeps nothing alive; making the array shorter would be a call into the runtime
      work()
    }
  }
}
