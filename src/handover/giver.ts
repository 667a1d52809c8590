import type { Socket } from 'node:net'
import type { HeldSockets } from '../core/inherited.ts'
import type { Log } from '../core/log.ts'
import { EAGAIN, errnoName } from '../linux/errno.ts'
import type { Fd } from '../linux/fd.ts'
import { type Credentials, type Libc, mostDescriptors } from '../linux/libc.ts'
import { portShared } from '../linux/port-holder.ts'
import { countSockets } from './inheritance.ts'
import { mayTakeSessions } from './live-permission.ts'
import {
  type DrainedEndpoint,
  encode,
  type Message,
  mostDrained,
  revision,
  sessionsVersion,
} from './message.ts'
import { Name } from './name.ts'
import { offers } from './offers.ts'
import { credentialsOf, describePeer, descriptorOf, isTrusted } from './peer.ts'
import { longestProbationMs } from './probation.ts'
import { NodeTalk, type Talk } from './talk.ts'

/** A newcomer speaks as soon as it is connected. */
const helloMs = 2_000
/** From the sockets to `accepting` it looks up names and starts workers. */
const acceptMs = 60_000
/**
 * Six beats: a newcomer that says nothing for so long hangs. Clients wait so long for the one before to
 * accept again.
 */
const silenceMs = 3_000
/**
 * The first versions do not beat. This is longer than their probation: one that has said nothing but is alive
 * has settled.
 */
const settleMs = 30_000
/** A newcomer reads at once. */
const sendMs = 2_000

export interface GiverOptions {
  /** `spliceway` of `@spliceway`. */
  readonly name: string
  /** The listening socket of the name, from the process before; null: it is made. */
  readonly inherited: Fd | null
  /** null: nobody's uid can be asked for, and no descriptor sent. */
  readonly libc: Libc | null
  readonly uid: number
  /** Version of the program. */
  readonly program: string
  /** Whether live connections go to a successor that takes them; they do not where this is left out. */
  readonly movesSessions?: boolean
  readonly log: Log
  /** All listening sockets, as they are now. */
  readonly held: () => readonly HeldSockets[]
  /** Endpoints that are drained by hand now; none where this is left out. */
  readonly drained?: () => readonly DrainedEndpoint[]
  /** Names of the admin listeners of this process. */
  readonly doors: readonly string[]
  /**
   * Resolves when the previous process can no longer take its sockets back, to whether this process stays. Of
   * three processes in a row the middle one may die at any time, and then exactly one of the others has to
   * serve.
   */
  readonly settled: Promise<boolean>
  readonly incumbent: Incumbent
  /** For tests: how long a newcomer may take to accept. */
  readonly acceptMs?: number
}

/** What the process does when another one takes its place. */
export interface Incumbent {
  /**
   * A successor accepts from the sockets of these keys: leave them to it, but keep them, accept from the
   * others, and close the admin listeners that it names.
   */
  yield(keys: readonly string[], doors: readonly string[]): Promise<void>
  /** It is gone, or hangs: accept again, and open the admin listeners. */
  resume(): Promise<void>
  /** It is there to stay: close the sockets and drain. */
  leave(): void
  /** It takes live connections over `channel`, which belongs to this process. */
  move(channel: Fd, who: string): void
}

type Hello = Extract<Message, { kind: 'hello' }>

/**
 * Waits at the abstract name for the next process, and hands the listening sockets to it. Goes on serving,
 * whatever happens to the newcomer, until that says that it accepts.
 */
export class Giver {
  readonly #options: GiverOptions
  readonly #name: Name
  /** The newcomer that a hand-over is under way to; null: none. */
  #newcomer: string | null = null
  readonly #strangers = new Set<number>()

  constructor(options: GiverOptions) {
    this.#options = options
    this.#name = new Name({ ...options, called: (socket) => void this.#greet(socket) }, options.inherited)
  }

  /** Takes the name, as soon as it is free. */
  open(): void {
    this.#name.open()
  }

  /** Lets the name go. A conversation that is under way goes on. */
  close(): void {
    this.#name.close()
  }

  async #greet(socket: Socket): Promise<void> {
    const { libc, uid } = this.#options
    const peer = libc === null ? null : credentialsOf(libc, socket)
    if (typeof peer === 'number') {
      socket.destroy()
      return
    }
    const talk = new NodeTalk(socket, peer)
    if (peer !== null && !isTrusted(peer, uid)) {
      this.#nameStranger(peer)
      talk.send({ kind: 'refused', reason: `neither our uid ${uid} nor root's` })
    } else if (this.#newcomer !== null) {
      talk.send({ kind: 'refused', reason: `a hand-over to ${this.#newcomer} is under way` })
    } else {
      this.#newcomer = peer === null ? 'somebody else' : describePeer(peer)
      await this.#hear(socket, talk)
      this.#newcomer = null
    }
    talk.close()
  }

  /** Logged once for each uid: a stranger may call a thousand times. */
  #nameStranger(peer: Credentials): void {
    const { name, log, uid } = this.#options
    if (this.#strangers.has(peer.uid)) return
    this.#strangers.add(peer.uid)
    log.warn(
      { name: `@${name}`, pid: peer.pid, uid: peer.uid },
      `${describePeer(peer)} asked for the listening sockets and was refused: neither our uid ${uid} nor root's`,
    )
  }

  async #hear(socket: Socket, talk: Talk): Promise<void> {
    const { log, settled } = this.#options
    const heard = await talk.hear(helloMs)
    if (heard.kind !== 'message' || heard.message.kind !== 'hello') {
      const what = heard.kind === 'unreadable' ? heard.reason : 'no greeting'
      log.warn({}, `${this.#newcomer} wanted to take over and was refused: ${what}`)
      talk.send({ kind: 'refused', reason: what })
      return
    }
    const hello = heard.message
    const proven = Symbol('proven')
    const soon = new Promise<symbol>((resolve) => setImmediate(resolve, proven))
    if ((await Promise.race([settled, soon])) === proven) {
      if (hello.revision === 0) {
        talk.send({ kind: 'refused', reason: 'this process has just taken over itself: try again' })
        return
      }
      talk.send({ kind: 'wait', ms: longestProbationMs })
    }
    // Otherwise the process before serves again: without an answer the newcomer calls again, and gets that
    // one.
    if (await settled) await this.#give(socket, talk, hello)
  }

  async #give(socket: Socket, talk: Talk, hello: Hello): Promise<void> {
    const { libc, log, held } = this.#options
    const { pid } = hello
    const uid = talk.peer?.uid ?? null
    const who = uid === null ? `pid ${pid}` : `pid ${pid}, uid ${uid}`
    const beganMs = performance.now()
    const ms = () => Math.round(performance.now() - beganMs)
    this.#newcomer = who
    const sockets = held().map((each) =>
      hello.descriptors && libc !== null ? each : { ...each, descriptors: [] },
    )
    const unsent = await this.#offer(socket, hello, sockets)
    if (unsent !== null) {
      log.warn({ toPid: pid, toUid: uid }, `handing over to ${who} failed: ${unsent}; this process serves on`)
      return
    }
    const total = sockets.reduce((sum, each) => sum + each.descriptors.length, 0)
    const fields = { toPid: pid, toUid: uid, toVersion: hello.program, sockets: total }
    log.info(fields, `handing over to ${who}: it has ${countSockets(total, sockets.length)}`)
    const answer = await talk.hear(this.#options.acceptMs ?? acceptMs)
    const accepting = answer.kind === 'message' && answer.message.kind === 'accepting' ? answer.message : null
    const obstacle =
      accepting === null ? `it did not begin to accept (${answer.kind})` : await this.#unproven(sockets)
    if (obstacle !== null) {
      // It may have been hanging and come back: then it must learn that it was not waited for.
      talk.send({ kind: 'refused', reason: obstacle })
      log.warn({ ...fields, ms: ms() }, `${who} has not taken over: ${obstacle}; this process serves on`)
      return
    }
    this.#name.pause(knowsName(hello))
    const { incumbent } = this.#options
    const offered = sockets.filter(({ descriptors }) => descriptors.length > 0).map(({ key }) => key)
    await incumbent.yield(accepting?.keys ?? offered, hello.doors)
    talk.send({ kind: 'released' })
    log.info(
      { ...fields, ms: ms() },
      `handed over to ${who}: ${countSockets(total, sockets.length)} in ${ms()} ms`,
    )
    const lost = await this.#watch(talk, hello)
    if (lost === null) {
      this.#name.close()
      incumbent.leave()
      await this.#move(socket, talk, hello)
      return
    }
    if (lost.kind === 'hangs') talk.send({ kind: 'reclaimed', reason: lost.reason })
    log.warn(
      { ...fields, ms: ms() },
      `${who} ${lost.reason}, ${ms()} ms after it came: this process accepts again`,
    )
    await incumbent.resume()
    this.#name.open()
  }

  /** Offers a channel for live connections to a newcomer that has asked for it. */
  async #move(socket: Socket, talk: Talk, hello: Hello): Promise<void> {
    const { libc, log, uid, movesSessions, incumbent } = this.#options
    if (libc === null || movesSessions !== true || hello.sessions !== sessionsVersion) return
    const who = this.#newcomer ?? 'the newcomer'
    const obstacle = mayTakeSessions(talk.peer, uid)
    if (obstacle !== null) {
      log.warn({ toPid: hello.pid }, `live connections stay in this process: ${obstacle}`)
      return
    }
    const pair = libc.messagePair()
    if (typeof pair === 'number') {
      log.warn({ toPid: hello.pid }, `live connections stay in this process: ${errnoName(pair)}`)
      return
    }
    const unsent = await send(libc, socket, { kind: 'sessions' }, [pair.theirs.n])
    libc.close(pair.theirs)
    if (unsent === null) {
      incumbent.move(pair.ours, who)
      return
    }
    libc.close(pair.ours)
    log.warn({ toPid: hello.pid }, `live connections stay in this process: ${who} does not listen: ${unsent}`)
  }

  /** Sends all of it; null: sent, otherwise why not. */
  async #offer(socket: Socket, hello: Hello, sockets: readonly HeldSockets[]): Promise<string | null> {
    const { libc, program } = this.#options
    const doors = hello.doors.filter((door) => this.#options.doors.includes(door))
    const sessions = this.#options.movesSessions === true ? sessionsVersion : 0
    const common = {
      kind: 'sockets',
      pid: process.pid,
      program,
      doors,
      revision,
      sessions,
      drained: [],
    } as const
    const name = knowsName(hello) ? this.#name.descriptor : null
    if (name !== null) {
      // First, so that whatever comes of the rest, the newcomer has it.
      const first = { ...common, listeners: [], more: true, name: true }
      const obstacle = await send(libc, socket, first, [name])
      if (obstacle !== null) return obstacle
    }
    const drained = (this.#options.drained?.() ?? []).slice(0, mostDrained)
    if (drained.length > 0) {
      const told = { ...common, listeners: [], more: true, name: false, drained }
      const obstacle = await send(libc, socket, told, [])
      if (obstacle !== null) return obstacle
    }
    const batches = offers(sockets, mostDescriptors)
    for (const [i, { listeners, descriptors }] of batches.entries()) {
      const message = { ...common, listeners, more: i < batches.length - 1, name: false }
      const obstacle = await send(libc, socket, message, descriptors)
      if (obstacle !== null) return obstacle
    }
    return null
  }

  /** Resolves to null when the newcomer has proven itself, or to why it never will. */
  async #watch(
    talk: Talk,
    { revision: known }: Hello,
  ): Promise<{ readonly kind: 'gone' | 'hangs'; readonly reason: string } | null> {
    for (;;) {
      const heard = await talk.hear(known === 0 ? settleMs : silenceMs)
      if (heard.kind === 'gone') return { kind: 'gone', reason: 'has gone' }
      if (known === 0) return null
      if (heard.kind === 'silent')
        return { kind: 'hangs', reason: `gave no sign of life for ${silenceMs} ms` }
      if (heard.kind === 'unreadable') return { kind: 'hangs', reason: `said ${heard.reason}` }
      if (heard.message.kind === 'settled') return null
    }
  }

  /**
   * Without koffi nobody knows who the newcomer is. That it listens on our ports proves its uid, because the
   * kernel shares a port between sockets of one user only. null: proven, or no proof is needed.
   */
  async #unproven(sockets: readonly HeldSockets[]): Promise<string | null> {
    const { libc, uid } = this.#options
    if (libc !== null) return null
    for (const { address } of sockets) {
      if (await portShared(address.port, uid)) return null
    }
    return 'nobody else of our uid listens on any of our ports'
  }
}

function knowsName({ descriptors, revision: known }: Hello): boolean {
  return descriptors && known > 0
}

/** null: sent; otherwise why not. */
async function send(
  libc: Libc | null,
  socket: Socket,
  message: Message,
  descriptors: readonly number[],
): Promise<string | null> {
  const bytes = encode(message)
  if (libc === null || descriptors.length === 0) {
    socket.write(bytes)
    return null
  }
  const block = libc.block(bytes.length)
  block.bytes.set(bytes)
  const untilMs = performance.now() + sendMs
  while (!socket.destroyed) {
    const sent = libc.sendDescriptors(descriptorOf(socket), block, 0, block.size, descriptors)
    if (sent >= 0) {
      // Descriptors go with the first byte; the rest may wait in Node.
      if (sent < bytes.length) socket.write(bytes.subarray(sent))
      return null
    }
    if (sent !== EAGAIN || performance.now() >= untilMs) return errnoName(sent)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return 'it has gone'
}
