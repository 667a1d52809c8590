import { createServer, type Server, type Socket } from 'node:net'
import type { HeldSockets } from '../core/inherited.ts'
import { EAGAIN, errnoName } from '../linux/errno.ts'
import { type Credentials, type Libc, mostDescriptors } from '../linux/libc.ts'
import { portShared } from '../linux/port-holder.ts'
import { countSockets, type HandoverLog } from './inheritance.ts'
import { encode, type Message } from './message.ts'
import { offers } from './offers.ts'
import { credentialsOf, describePeer, descriptorOf, isTrusted } from './peer.ts'
import { NodeTalk, type Talk } from './talk.ts'

/** A newcomer speaks as soon as it is connected. */
const helloMs = 2_000
/** From the sockets to `accepting` it looks up names and starts workers. */
const acceptMs = 60_000
/** Longer than its probation; one that does not say anything, but lives, has settled. */
const settleMs = 30_000
/** A newcomer reads at once. */
const sendMs = 2_000
/** The name is busy until the process before has let go of it, or as long as a stranger has it. */
const retryMs = 1_000
/** Some newcomers at once are a crash loop; more are somebody's mistake. */
const mostConnections = 16

export interface GiverOptions {
  /** `spliceway` of `@spliceway`. */
  readonly name: string
  /** null: nobody's uid can be asked for, and no descriptor sent. */
  readonly libc: Libc | null
  readonly uid: number
  /** Version of the program. */
  readonly program: string
  readonly log: HandoverLog
  /** All listening sockets, as they are now. */
  readonly held: () => readonly HeldSockets[]
  readonly succession: Succession
}

/** What the process does when another one takes its place. */
export interface Succession {
  /** A successor accepts: accept no more, but keep the sockets, and close the admin doors that it names. */
  yield(doors: readonly string[]): Promise<void>
  /** It died young: accept again, and open the doors. */
  resume(): Promise<void>
  /** It is there to stay: close the sockets and drain. */
  leave(): void
}

/**
 * Waits at the abstract name for the next process, and hands the listening sockets to it. Serves on whatever becomes of the
 * newcomer before it says that it accepts.
 */
export class Giver {
  readonly #options: GiverOptions
  #server: Server | null = null
  /** The newcomer that is being given to; null: none. */
  #newcomer: string | null = null
  #retry: NodeJS.Timeout | null = null
  #warned = false
  #closed = false
  readonly #named = new Set<number>()

  constructor(options: GiverOptions) {
    this.#options = options
  }

  /** Takes the name, as soon as it is free. */
  open(): void {
    if (this.#closed) return
    const server = createServer((socket) => void this.#greet(socket))
    server.maxConnections = mostConnections
    server.on('error', (error: NodeJS.ErrnoException) => this.#failed(error))
    server.listen(`\0${this.#options.name}`)
    this.#server = server
  }

  /** Lets the name go. A conversation that is under way goes on. */
  close(): void {
    this.#closed = true
    this.#letGo()
  }

  #letGo(): void {
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#server?.close()
    this.#server = null
  }

  #failed(error: NodeJS.ErrnoException): void {
    const { name, log } = this.#options
    if (!this.#warned) {
      this.#warned = true
      log.warn(
        { name: `@${name}`, code: error.code },
        `cannot take the name @${name} (${error.code}): no successor can take over until that works; trying again every second`,
      )
    }
    this.#retry = setTimeout(() => this.open(), retryMs)
    this.#retry.unref()
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
      await this.#give(socket, talk)
      this.#newcomer = null
    }
    talk.close()
  }

  /** Once for each uid: a stranger may knock a thousand times. */
  #nameStranger(peer: Credentials): void {
    const { name, log, uid } = this.#options
    if (this.#named.has(peer.uid)) return
    this.#named.add(peer.uid)
    log.warn(
      { name: `@${name}`, pid: peer.pid, uid: peer.uid },
      `${describePeer(peer)} asked for the listening sockets and was refused: neither our uid ${uid} nor root's`,
    )
  }

  async #give(socket: Socket, talk: Talk): Promise<void> {
    const { libc, log, program, held } = this.#options
    const hello = await talk.hear(helloMs)
    if (hello.kind !== 'message' || hello.message.kind !== 'hello') {
      const what = hello.kind === 'unreadable' ? hello.reason : 'no greeting'
      log.warn({}, `${this.#newcomer} wanted to take over and was refused: ${what}`)
      talk.send({ kind: 'refused', reason: what })
      return
    }
    const { pid, doors, descriptors } = hello.message
    const uid = talk.peer?.uid ?? null
    const who = uid === null ? `pid ${pid}` : `pid ${pid}, uid ${uid}`
    const beganMs = performance.now()
    const ms = () => Math.round(performance.now() - beganMs)
    this.#newcomer = who
    const sockets = held().map((each) => (descriptors && libc !== null ? each : { ...each, descriptors: [] }))
    const batches = offers(sockets, mostDescriptors)
    for (const [i, batch] of batches.entries()) {
      const { listeners } = batch
      const more = i < batches.length - 1
      const message: Message = { kind: 'sockets', pid: process.pid, program, listeners, more }
      const obstacle = await send(libc, socket, message, batch.descriptors)
      if (obstacle === null) continue
      log.warn(
        { toPid: pid, toUid: uid },
        `handing over to ${who} failed: ${obstacle}; this process serves on`,
      )
      return
    }
    const total = sockets.reduce((sum, each) => sum + each.descriptors.length, 0)
    const fields = { toPid: pid, toUid: uid, toVersion: hello.message.program, sockets: total }
    log.info(fields, `handing over to ${who}: it has ${countSockets(total, sockets.length)}`)
    const answer = await talk.hear(acceptMs)
    const obstacle =
      answer.kind === 'message' && answer.message.kind === 'accepting'
        ? await this.#unproven(sockets)
        : `it did not begin to accept (${answer.kind})`
    if (obstacle !== null) {
      log.warn({ ...fields, ms: ms() }, `${who} has not taken over: ${obstacle}; this process serves on`)
      return
    }
    this.#letGo()
    const { succession } = this.#options
    await succession.yield(doors)
    talk.send({ kind: 'released' })
    log.info(
      { ...fields, ms: ms() },
      `handed over to ${who}: ${countSockets(total, sockets.length)} in ${ms()} ms`,
    )
    const last = await talk.hear(settleMs)
    if (last.kind === 'gone') {
      log.warn({ ...fields, ms: ms() }, `${who} died ${ms()} ms after it came: this process accepts again`)
      await succession.resume()
      this.open()
    } else {
      succession.leave()
    }
  }

  /**
   * Without koffi nobody knows who the newcomer is. That it listens where we do proves its uid: the kernel shares a port
   * with nobody else. null: proven, or there is no need.
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
