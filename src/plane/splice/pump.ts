import type { Block } from '../../linux/block.ts'
import { MSG_MORE, MSG_NOSIGNAL } from '../../linux/constants.ts'
import { EAGAIN } from '../../linux/errno.ts'
import type { Blocks } from './blocks.ts'
import { type Pipe, type Pipes, pipeBytes } from './pipes.ts'
import type { Shared, SpliceWire } from './wire.ts'

/** Reads and writes of one direction before others get their turn. */
const fairShare = 16
/** Reads of this size in a row are bulk: worth a pipe, where the bytes leave the host. */
const bulkRead = 16 * 1024
const bulkReads = 2
/** So many smaller ones in a row are not. */
const smallReads = 8

/** What a pump tells its relay. */
export interface PumpOwner {
  /** The kernel has taken `count` bytes. */
  moved(pump: Pump, count: number): void
  /** Bytes in user space or in the pipe changed. */
  held(delta: number): void
  /** The source's FIN was read, or is known to follow what was read. */
  sourceEnded(pump: Pump): void
  /** A call on `wire` failed with this negative errno. Of the source: all that it sent before has been read. */
  failed(wire: SpliceWire, errno: number): void
  /** FIN was sent, or nothing can be sent any more, and the source has ended. */
  over(pump: Pump): void
  /** It has more to do, after others had their turn. */
  again(): void
  /** The other direction is over: closing both sockets sends the FIN that this one owes. */
  readonly closesInstead: boolean
}

/** What all pumps of a thread share. */
export interface PumpShared extends Shared {
  readonly pipes: Pipes
  readonly blocks: Blocks
  readonly pipesOnLoopback: boolean
}

/**
 * One direction, pull from `from`, push to `to`.
 *
 * Invariants: pull() begins only when nothing is held, neither in the block nor in the pipe. FIN is sent only when nothing
 * is held. After `discard` nothing is pushed any more, and what is pulled is dropped. A source that is cut has no FIN: what
 * it sent before is pushed, and then nothing more happens. No allocation per chunk.
 */
export class Pump {
  readonly from: SpliceWire
  readonly to: SpliceWire
  /** The source's end is known. */
  ended = false
  /** The source was reset, and all that it had sent before was read. */
  cut = false
  /** Ended, and the target knows, or never will. */
  over = false
  readonly #owner: PumpOwner
  readonly #shared: PumpShared
  #held: Block | null = null
  #heldFrom = 0
  #heldTo = 0
  /** How many of the held bytes are the header's. */
  #ours = 0
  #pipe: Pipe | null = null
  #piped = 0
  #discard = false
  #finWanted = false
  #finSent = false
  /** The last reads were bulk... */
  #bulk = false
  /** ... and both ends leave this host. Looked at when it matters. */
  #mayPipe: boolean | null = null
  #row = 0

  constructor(shared: PumpShared, owner: PumpOwner, from: SpliceWire, to: SpliceWire) {
    this.#shared = shared
    this.#owner = owner
    this.from = from
    this.to = to
  }

  /** Bytes that the target's kernel has not taken yet. */
  get heldBytes(): number {
    return this.#heldTo - this.#heldFrom + this.#piped
  }

  /** All that the source will ever have sent is with the target's kernel, its FIN included if it sent one. */
  get spent(): boolean {
    return this.over || (this.cut && this.heldBytes === 0)
  }

  /** False: run() would find nothing to read, to send or to give back. */
  get hasWork(): boolean {
    return !this.over && (this.from.readable || this.heldBytes > 0 || this.#pipe !== null)
  }

  /** Moves what can be moved. */
  run(): void {
    for (let i = 0; i < fairShare; i++) {
      if (this.over || this.from.fd.n === -1) return
      if (this.heldBytes > 0 && !this.#push()) return
      if (this.#finWanted && !this.#finSent) this.#fin()
      if (this.ended) {
        this.#finish()
        return
      }
      if (this.cut) return
      if (!this.from.readable) {
        this.#restPipe()
        return
      }
      if (!this.#pull()) return
    }
    this.#owner.again()
  }

  /** Sends `header` and what the source has sent already in one write; never waits for the source. */
  begin(header: Uint8Array): void {
    const { libc, scratch } = this.#shared
    scratch.bytes.set(header)
    const room = scratch.size - header.length
    const count = libc.recv(this.from.fd, scratch, header.length, room, 0)
    if (count < 0 && count !== EAGAIN) this.#cut(count)
    else this.#send(header.length + Math.max(0, count), header.length, 0)
  }

  /** FIN to the target after what is held; what the source sends from now on is dropped. */
  seal(): void {
    this.#finWanted = true
    this.run()
    this.#discard = true
  }

  /** The target takes no more: what is held is lost, what comes is dropped. */
  breakOff(): void {
    this.#drop()
    this.#discard = true
    this.#finSent = true
  }

  /** Gives back what it holds; the relay is over. */
  release(): void {
    this.over = true
    this.#drop()
  }

  #pull(): boolean {
    // splice(2) never gets past an urgent mark: it says EAGAIN there, and 0 once FIN has arrived.
    if (this.#bulk && !this.#discard && !this.from.urgent && this.#leavesHost()) {
      this.#pipe ??= this.#shared.pipes.take()
      if (this.#pipe !== null) return this.#pullPipe(this.#pipe)
    }
    const { libc, scratch } = this.#shared
    const { from } = this
    const count = libc.recv(from.fd, scratch, 0, scratch.size, 0)
    if (count <= 0) return this.#nothing(count)
    // FIN is here and the read was short: these were the last bytes, and the FIN goes out with them. Only a FIN that came
    // without an error is one: a reset makes the same edge.
    const last = from.finSeen && !from.urgent && count < scratch.size
    this.#measure(count >= bulkRead)
    if (from.acks === 'delayed') this.#shared.acks.answered(from)
    if (last) this.#end()
    // Drained; another edge will come.
    else if (count < scratch.size && !from.finArrived && !from.urgent) from.readable = false
    if (!this.#discard) this.#send(count, 0, last ? MSG_MORE : 0)
    return true
  }

  #leavesHost(): boolean {
    this.#mayPipe ??= this.#shared.pipesOnLoopback || !(this.from.loopback || this.to.loopback)
    return this.#mayPipe
  }

  /** From the scratch block; what the kernel does not take is copied and held. `ours`: bytes that are not the source's. */
  #send(count: number, ours: number, flags: number): void {
    const { libc, scratch, blocks } = this.#shared
    const { to } = this
    to.sends(count)
    const sent = libc.send(to.fd, scratch, 0, count, MSG_NOSIGNAL | flags)
    if (sent < 0 && sent !== EAGAIN) {
      this.#owner.failed(to, sent)
      return
    }
    const taken = Math.max(0, sent)
    if (taken > ours) this.#owner.moved(this, taken - ours)
    if (taken === count) return
    to.writable = false
    this.#held = blocks.take()
    scratch.bytes.copy(this.#held.bytes, 0, taken, count)
    this.#heldFrom = 0
    this.#heldTo = count - taken
    this.#ours = Math.max(0, ours - taken)
    this.#owner.held(this.#heldTo)
  }

  #pullPipe(pipe: Pipe): boolean {
    const { libc } = this.#shared
    const count = libc.splice(this.from.fd, pipe.write, pipeBytes)
    if (count === 0) {
      this.#bulk = false // the end, or an urgent mark of which the poller has not told yet: recv() knows
      return true
    }
    if (count < 0) return this.#nothing(count)
    this.#measure(count >= bulkRead)
    this.#piped = count
    this.#owner.held(count)
    return true
  }

  /** recv() or splice() brought nothing: drained, ended or failed. False: there is nothing more to do now. */
  #nothing(result: number): boolean {
    const { from } = this
    if (result === EAGAIN) {
      from.readable = false
      return true
    }
    if (result === 0 && from.endedByFin) {
      this.#end()
      return true
    }
    this.#cut(result === 0 ? -from.error : result)
    return false
  }

  /** The source was reset, and what it sent before has been read. */
  #cut(errno: number): void {
    this.cut = true
    this.#owner.failed(this.from, errno)
  }

  /** True: nothing is held any more. */
  #push(): boolean {
    if (!this.to.writable) return false
    return this.#piped > 0 ? this.#pushPipe() : this.#pushHeld()
  }

  #pushPipe(): boolean {
    const { libc } = this.#shared
    this.to.sends(this.#piped)
    while (this.#piped > 0 && this.#pipe !== null) {
      const count = libc.splice(this.#pipe.read, this.to.fd, this.#piped)
      if (!this.#taken(count)) return false
      this.#piped -= count
    }
    return true
  }

  #pushHeld(): boolean {
    const { libc, blocks } = this.#shared
    const held = this.#held
    while (held !== null && this.#heldFrom < this.#heldTo) {
      const count = libc.send(this.to.fd, held, this.#heldFrom, this.#heldTo - this.#heldFrom, MSG_NOSIGNAL)
      if (!this.#taken(count)) return false
      this.#heldFrom += count
    }
    if (held !== null) blocks.give(held)
    this.#held = null
    this.#heldFrom = this.#heldTo = 0
    return true
  }

  /** False: the target took nothing. */
  #taken(count: number): boolean {
    if (count > 0) {
      const ours = Math.min(count, this.#ours)
      this.#ours -= ours
      this.#owner.held(-count)
      if (count > ours) this.#owner.moved(this, count - ours)
      return true
    }
    this.to.writable = false
    if (count !== EAGAIN) this.#owner.failed(this.to, count)
    return false
  }

  #end(): void {
    if (this.ended) return
    this.ended = true
    this.#finWanted = true
    this.#owner.sourceEnded(this)
  }

  #fin(): void {
    this.#finSent = true
    if (this.ended && this.#owner.closesInstead) return
    this.#shared.libc.shutdownWrite(this.to.fd) // ENOTCONN: it was reset, and the poller will say so
  }

  #finish(): void {
    if (this.over) return
    this.over = true
    this.#drop()
    this.#owner.over(this)
  }

  #measure(large: boolean): void {
    if (large === this.#bulk) {
      this.#row = 0
      return
    }
    this.#row++
    if (this.#row < (this.#bulk ? smallReads : bulkReads)) return
    this.#bulk = !this.#bulk
    this.#row = 0
  }

  /** Nothing to read for now: an idle direction owns no pipe. */
  #restPipe(): void {
    if (this.#pipe === null || this.#piped > 0) return
    this.#shared.pipes.give(this.#pipe)
    this.#pipe = null
  }

  #drop(): void {
    const { pipes, blocks } = this.#shared
    if (this.heldBytes > 0) this.#owner.held(-this.heldBytes)
    if (this.#held !== null) blocks.give(this.#held)
    if (this.#pipe !== null) {
      if (this.#piped > 0) pipes.discard(this.#pipe)
      else pipes.give(this.#pipe)
    }
    this.#held = null
    this.#pipe = null
    this.#piped = this.#heldFrom = this.#heldTo = this.#ours = 0
  }
}
