import type { DirectionFacts } from '../../core/moved.ts'
import { MSG_MORE } from '../../linux/constants.ts'
import { EAGAIN } from '../../linux/errno.ts'
import type { Blocks, Memory } from './blocks.ts'
import type { Pipe, Pipes } from './pipes.ts'
import type { Shared, SpliceWire } from './wire.ts'

/** Reads and writes of one direction before others get their turn. */
const fairShare = 16
/** Reads of this size in a row are bulk: worth a pipe, where the bytes leave the host. */
const bulkRead = 16 * 1024
const bulkReads = 2
/** This many smaller reads in a row end bulk mode. */
const smallReads = 8

/** What a pump tells its relay. */
export interface PumpOwner {
  /** The kernel has taken `count` bytes. */
  moved(pump: Pump, count: number): void
  /** Bytes in user space or in the pipe changed. */
  held(delta: number): void
  /** The source's FIN was read, or is known to follow what was read. */
  sourceEnded(pump: Pump): void
  /**
   * A call on `wire` failed with this negative errno. Of the source: all that it sent before has been read.
   */
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
  /** The scratch block, into which all pull and push at once; what is in it afterwards is nobody's. */
  readonly intake: Memory
  readonly blocks: Blocks
  readonly pipesOnLoopback: boolean
}

export interface DetachedPump {
  readonly facts: DirectionFacts
  readonly memory: Uint8Array
  /** Reading, writing; empty: no pipe holds anything. */
  readonly ends: readonly number[]
}

const nothing = new Uint8Array(0)

/**
 * Where bytes are between pull and push. A call on memory that moves less than it could has met the end of
 * what there is, or of the room for it; a pipe counts in segments, and only EAGAIN tells.
 */
type Store = Memory | Pipe

/**
 * One direction, pull from `from`, push to `to`.
 *
 * Invariants: pull() begins only when nothing is held, neither in the block nor in the pipe. FIN is sent only
 * when nothing is held. After `discard` nothing is pushed any more, and what is pulled is dropped. A source
 * that is cut has no FIN: what it sent before is pushed, and then nothing more happens. No allocation per
 * chunk.
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
  /** What the target did not take at once: a block of its own, or the pipe. Never empty. */
  #held: Store | null = null
  /** How many of the bytes that are pushed next are the header's. */
  #ours = 0
  /** Bulk goes through it; empty unless it is what is held. */
  #pipe: Pipe | null = null
  #discard = false
  #finWanted = false
  #finSent = false
  /** The last reads were bulk... */
  #bulk = false
  /** ... and both ends leave this host. Only determined when it matters. */
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
    return this.#held === null ? 0 : this.#held.size
  }

  /** What comes is dropped. */
  get drops(): boolean {
    return this.#discard
  }

  /** How many of the bytes that are held are a header's. */
  get oursLeft(): number {
    return this.#ours
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
      if (this.#held !== null && !this.#pushHeld(this.#held)) return
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
    const { intake } = this.#shared
    intake.set(header)
    const count = intake.pull(this.from.fd)
    if (count < 0 && count !== EAGAIN) {
      this.#cut(count)
      return
    }
    this.#ours = header.length
    this.#offer(intake, 0)
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

  /** What it holds and how far it has come; the pipe, if it holds something, is the caller's. */
  detach(): DetachedPump {
    const { pipes } = this.#shared
    const held = this.#held
    const facts: DirectionFacts = {
      pipeBytes: held?.kind === 'pipe' ? held.size : 0,
      ours: this.#ours,
      ended: this.ended,
      over: this.over,
      discard: this.#discard,
      finWanted: this.#finWanted,
      finSent: this.#finSent,
    }
    const memory = held?.kind === 'memory' ? held.copy() : nothing
    let ends: readonly number[] = []
    if (held?.kind === 'pipe') {
      this.#owner.held(-held.size)
      ends = pipes.release(held)
      this.#held = null
      this.#pipe = null
    }
    this.release()
    return { facts, memory, ends }
  }

  /** Goes on where another one was detached; `pipe`: its pipe, with what is in it. Moves nothing. */
  resume(facts: DirectionFacts, memory: Uint8Array, pipe: Pipe | null): void {
    const { blocks } = this.#shared
    this.ended = facts.ended
    this.over = facts.over
    this.#ours = facts.ours
    this.#discard = facts.discard
    this.#finWanted = facts.finWanted
    this.#finSent = facts.finSent
    this.#pipe = pipe
    this.#held = pipe
    if (memory.length > 0) {
      const block = blocks.take()
      block.set(memory)
      this.#held = block
    }
    if (this.#held !== null) this.#owner.held(this.#held.size)
  }

  /** Gives back what it holds; the relay is over. */
  release(): void {
    this.over = true
    this.#drop()
  }

  #pull(): boolean {
    const { from } = this
    const { intake, acks } = this.#shared
    const pipe = this.#pipeForBulk()
    intake.clear()
    const store = pipe ?? intake
    const { room } = intake
    const count = store.pull(from.fd)
    if (count === 0 && pipe !== null) {
      this.#bulk = false // the end, or an urgent mark of which the poller has not told yet: recv() knows
      return true
    }
    if (count <= 0) return this.#nothing(count)
    const short = store.kind === 'memory' && count < room
    // FIN is here and the read was short: these were the last bytes, and the FIN goes out with them. Only a
    // FIN that came without an error is one: a reset makes the same edge.
    const last = short && from.finSeen && !from.urgent
    this.#measure(count >= bulkRead)
    if (from.acks === 'delayed') acks.answered(from)
    if (last) this.#end()
    // Drained; another edge will come.
    else if (short && !from.finArrived && !from.urgent) from.readable = false
    if (!this.#discard) this.#offer(store, last ? MSG_MORE : 0)
    return true
  }

  /** null: the bytes come to user space. */
  #pipeForBulk(): Pipe | null {
    // splice(2) never gets past an urgent mark: it says EAGAIN there, and 0 once FIN has arrived.
    if (!this.#bulk || this.#discard || this.from.urgent || !this.#leavesHost()) return null
    this.#pipe ??= this.#shared.pipes.take()
    return this.#pipe
  }

  #leavesHost(): boolean {
    this.#mayPipe ??= this.#shared.pipesOnLoopback || !(this.from.loopback || this.to.loopback)
    return this.#mayPipe
  }

  /** What was just pulled; what the kernel does not take is held, out of the scratch block as a copy. */
  #offer(store: Store, flags: number): void {
    const { intake, blocks } = this.#shared
    this.to.sends(store.size)
    if (this.#push(store, flags) !== 'full') return
    this.#held = store
    if (store === intake) {
      const own = blocks.take()
      own.takeFrom(intake)
      this.#held = own
    }
    this.#owner.held(this.heldBytes)
  }

  /** True: nothing is held any more. */
  #pushHeld(held: Store): boolean {
    if (!this.to.writable || this.#push(held, 0) !== 'empty') return false
    if (held.kind === 'memory') this.#shared.blocks.give(held)
    this.#held = null
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

  /**
   * Until nothing is left in `store` or the target takes no more. A failure is the owner's, who breaks off.
   */
  #push(store: Store, flags: number): 'empty' | 'full' | 'failed' {
    const { to } = this
    while (store.size > 0) {
      const { size } = store
      const count = store.push(to.fd, flags)
      if (count > 0) this.#taken(store, count)
      if (count === size || (count > 0 && store.kind === 'pipe')) continue
      to.writable = false
      if (count > 0 || count === EAGAIN) return 'full'
      this.#owner.failed(to, count)
      return 'failed'
    }
    return 'empty'
  }

  #taken(store: Store, count: number): void {
    const ours = Math.min(count, this.#ours)
    this.#ours -= ours
    if (store === this.#held) this.#owner.held(-count)
    if (count > ours) this.#owner.moved(this, count - ours)
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
    if (this.#pipe === null || this.#pipe.size > 0) return
    this.#shared.pipes.give(this.#pipe)
    this.#pipe = null
  }

  #drop(): void {
    const { pipes, blocks } = this.#shared
    const held = this.#held
    const pipe = this.#pipe
    if (held !== null) this.#owner.held(-held.size)
    if (held?.kind === 'memory') blocks.give(held)
    if (pipe !== null && pipe.size > 0) pipes.discard(pipe)
    else if (pipe !== null) pipes.give(pipe)
    this.#held = null
    this.#pipe = null
    this.#ours = 0
  }
}
