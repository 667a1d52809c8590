import type { Log } from '../core/log.ts'
import type { MovedSession } from '../core/moved.ts'
import { EAGAIN, ECONNRESET, EINTR, ENOBUFS, ENOMEM, ETOOMANYREFS, errnoName } from '../linux/errno.ts'
import { Fd } from '../linux/fd.ts'
import type { Libc } from '../linux/libc.ts'
import {
  decodeAnswer,
  encodeBatch,
  mostAnswerBytes,
  mostBatchBytes,
  mostBatchDescriptors,
} from './live-message.ts'

/**
 * Messages under way: the next one is made while the other side works. More would only stand still for
 * longer.
 */
const window = 2
/**
 * Connections that stand still together: tens of ms from the first that is muted to the last that goes on.
 */
const batchSessions = 24
const busyLookMs = 1
/** How often it looks whether a connection that still dialed is established by now. */
const idleLookMs = 20
/** A taker answers as soon as it reads; one that has not for so long hangs, and is hung up on. */
const answerMs = 10_000
/** How long no descriptor is sent after the kernel, or the taker, had no room for more. */
const roomMs = 1_000

/** The connections of this process. */
export interface LiveSource {
  /** Up to `most` established ones, which are the caller's from now on. */
  detach(most: number): Promise<readonly MovedSession[]>
  /** So many are with the other process. */
  departed(count: number): void
  /** These go on here. */
  takeBack(sessions: readonly MovedSession[]): void
  /** Connections that this process answers for, those under way between the two included. */
  readonly active: number
}

export interface LiveGiverOptions {
  readonly libc: Libc
  /** This process's end of the channel; it is closed at the end. */
  readonly channel: Fd
  readonly source: LiveSource
  readonly log: Log
  /** For tests: how long the taker has for an answer. */
  readonly answerMs?: number
}

/** How it ended. `all`: no connection is left. `gone`: the other side has closed the channel, or is dead. */
export interface Given {
  readonly kind: 'all' | 'gone' | 'hung'
  readonly connections: number
  readonly batches: number
  /** Of how many the kernel's counters could be compared with what the relay knew to hold. */
  readonly compared: number
  /** Of how many the kernel's counters said something else of what is held than the relay, which knows. */
  readonly mismatches: number
  /** From the moment in which a batch was muted to its answer, at most. */
  readonly longestMs: number
}

interface Sent {
  readonly sessions: readonly MovedSession[]
  readonly mutedMs: number
}

/**
 * Gives the live connections of this process to another one, until none is left. What was sent stays ours
 * until it is answered, and is not touched meanwhile. Never takes back because time has passed: an answer
 * may be on its way. When the channel has ended, all answers that there will be have been read, and the rest
 * is ours.
 */
export class LiveGiver {
  readonly #options: LiveGiverOptions
  readonly #unanswered = new Map<number, Sent>()
  /** Let go, and not sent yet. */
  #ready: Sent[] = []
  #number = 0
  /**
   * Batches that came from the workers. The first ones are small: both sides run this code for the first
   * time.
   */
  #fetched = 0
  #connections = 0
  #compared = 0
  #mismatches = 0
  #longestMs = 0
  #notBeforeMs = 0
  #ended = false

  constructor(options: LiveGiverOptions) {
    this.#options = options
  }

  /** Never rejects. */
  async run(): Promise<Given> {
    const { source } = this.#options
    for (;;) {
      this.#readAnswers()
      if (this.#ended) return this.#end('gone')
      if (this.#hangs()) return this.#hangUp('hung')
      if (!this.#send()) return this.#hangUp('gone')
      if (source.active === 0) return this.#end('all')
      if (await this.#fetch()) continue
      const busy = this.#unanswered.size + this.#ready.length > 0
      await new Promise((resolve) => setTimeout(resolve, busy ? busyLookMs : idleLookMs))
    }
  }

  /** Gets the next ones from the workers. False: there are none, or it is not their turn. */
  async #fetch(): Promise<boolean> {
    if (this.#ready.length > 0 || this.#unanswered.size >= window) return false
    if (performance.now() < this.#notBeforeMs) return false
    const mutedMs = performance.now()
    const sessions = await this.#options.source.detach(Math.min(batchSessions, 2 ** this.#fetched))
    if (sessions.length > 0) this.#fetched++
    for (const { facts, relay } of sessions) {
      if (relay.countersAgree !== null) this.#compared++
      if (relay.countersAgree === false) this.#mismatch(facts.id)
    }
    if (sessions.length > 0) this.#ready.push({ sessions, mutedMs })
    return sessions.length > 0
  }

  #mismatch(id: string): void {
    this.#mismatches++
    if (this.#mismatches > 1) return
    this.#options.log.warn(
      { id },
      `the kernel's counters are wrong about connection ${id}, which is moved by what is known of it: a connection ` +
        'whose worker dies is not adopted by counters any more',
    )
  }

  /** Sends what is ready, as far as there is room. False: nobody is there to read it. */
  #send(): boolean {
    const { libc, channel } = this.#options
    while (this.#unanswered.size < window) {
      const next = this.#ready.shift()
      if (next === undefined) return true
      const { bytes, descriptors } = encodeBatch(this.#number + 1, next.sessions)
      const tooMuch = bytes.length > mostBatchBytes || descriptors.length > mostBatchDescriptors
      if (tooMuch && next.sessions.length > 1) {
        this.#ready.unshift(...halves(next))
        continue
      }
      const block = libc.block(bytes.length)
      block.bytes.set(bytes)
      const sent = libc.sendDescriptors(channel, block, 0, block.size, descriptors)
      if (sent >= 0) {
        this.#unanswered.set(++this.#number, next)
        continue
      }
      this.#ready.unshift(next)
      if (sent === EINTR) continue
      if (!noRoom.has(sent)) return false
      this.#wait(sent)
      return true
    }
    return true
  }

  #wait(code: number): void {
    const { log } = this.#options
    // Answers make room; where none is awaited, the room is somebody else's.
    if (this.#unanswered.size > 0) return
    log.info(
      { code: errnoName(code) },
      `live connections wait: ${errnoName(code)}, nothing more can be sent now`,
    )
    this.#takeBack(this.#ready.splice(0).flatMap(({ sessions }) => sessions))
    this.#notBeforeMs = performance.now() + roomMs
  }

  #readAnswers(): void {
    const { libc, channel } = this.#options
    const block = libc.block(mostAnswerBytes)
    for (;;) {
      const count = libc.recv(channel, block, 0, block.size, 0)
      if (count === EAGAIN) return
      // unix(7): the other side has closed without reading all; what it had sent before can still be read.
      if (count === EINTR || count === ECONNRESET) continue
      if (count <= 0) {
        this.#ended = true
        return
      }
      const answer = decodeAnswer(block.bytes.subarray(0, count))
      const sent = answer === null ? undefined : this.#unanswered.get(answer.number)
      if (answer === null || sent === undefined) continue // what it should have answered is waited for
      this.#unanswered.delete(answer.number)
      this.#longestMs = Math.max(this.#longestMs, performance.now() - sent.mutedMs)
      if (answer.kind === 'full') {
        this.#takeBack(sent.sessions)
        this.#notBeforeMs = performance.now() + roomMs
      } else this.#answered(sent.sessions, new Set(answer.refused))
    }
  }

  /** They are the other process's, apart from those at `refused`. */
  #answered(sessions: readonly MovedSession[], refused: ReadonlySet<number>): void {
    const { libc, source } = this.#options
    const gone = sessions.filter((_, place) => !refused.has(place))
    for (const { descriptors } of gone) for (const n of descriptors) libc.close(new Fd(n))
    this.#connections += gone.length
    source.departed(gone.length)
    this.#takeBack(sessions.filter((_, place) => refused.has(place)))
  }

  #takeBack(sessions: readonly MovedSession[]): void {
    if (sessions.length > 0) this.#options.source.takeBack(sessions)
  }

  #hangs(): boolean {
    const [oldest] = this.#unanswered.values()
    return oldest !== undefined && performance.now() - oldest.mutedMs > (this.#options.answerMs ?? answerMs)
  }

  /** From now on no answer can be sent; those that were are read. */
  #hangUp(kind: Given['kind']): Given {
    this.#options.libc.shutdownBoth(this.#options.channel)
    while (!this.#ended) this.#readAnswers()
    return this.#end(kind)
  }

  #end(kind: Given['kind']): Given {
    const { libc, channel } = this.#options
    const sent = [...this.#unanswered.values(), ...this.#ready]
    this.#unanswered.clear()
    this.#ready = []
    this.#takeBack(sent.flatMap(({ sessions }) => sessions))
    libc.close(channel)
    return {
      kind,
      connections: this.#connections,
      batches: this.#number,
      compared: this.#compared,
      mismatches: this.#mismatches,
      longestMs: Math.round(this.#longestMs * 10) / 10,
    }
  }
}

const noRoom: ReadonlySet<number> = new Set([EAGAIN, ENOBUFS, ENOMEM, ETOOMANYREFS])

function halves({ sessions, mutedMs }: Sent): readonly Sent[] {
  const middle = Math.ceil(sessions.length / 2)
  return [
    { sessions: sessions.slice(0, middle), mutedMs },
    { sessions: sessions.slice(middle), mutedMs },
  ]
}
