import type { SocketAddress } from '../../src/core/address.ts'
import type { Block } from '../../src/linux/block.ts'
import { EPOLLERR, EPOLLIN, EPOLLOUT, EPOLLRDHUP, MSG_NOSIGNAL } from '../../src/linux/constants.ts'
import { EAGAIN } from '../../src/linux/errno.ts'
import type { Fd } from '../../src/linux/fd.ts'
import type { Loop, Watcher } from './loop.ts'
import { answerSize, lastRequest, request, requestSize } from './messages.ts'

/** What a mode does with its connections. */
export interface Steps {
  connected(client: WireClient): void
  answered(client: WireClient): void
  /** `failed`: a reset, or an end before the answer. The connection is closed already. */
  ended(client: WireClient, failed: boolean): void
}

/** Memory that all connections of one process share. */
export interface Shared {
  readonly loop: Loop
  readonly into: Block
  readonly request: Block
  readonly lastRequest: Block
}

export function share(loop: Loop): Shared {
  const filled = (bytes: Buffer): Block => {
    const block = loop.libc.block(bytes.length)
    bytes.copy(block.bytes)
    return block
  }
  return { loop, into: loop.libc.block(4096), request: filled(request), lastRequest: filled(lastRequest) }
}

/** One connection of the load. */
export class WireClient implements Watcher {
  /** When what is being waited for should have begun. */
  sinceMs: number
  readonly #shared: Shared
  readonly #steps: Steps
  /** Bytes of an answer. */
  readonly #whole: number
  readonly #fd: Fd
  readonly #place: number
  #connected = false
  #received = 0

  constructor(shared: Shared, target: SocketAddress, steps: Steps, whole = answerSize) {
    this.sinceMs = performance.now()
    this.#shared = shared
    this.#steps = steps
    this.#whole = whole
    this.#fd = shared.loop.connect(target)
    this.#place = shared.loop.watch(this.#fd, this)
  }

  ask(): void {
    this.#send(this.#shared.request)
  }

  /** The server ends the connection after its answer. */
  askLast(): void {
    this.#send(this.#shared.lastRequest)
  }

  close(): void {
    this.#shared.loop.leave(this.#fd, this.#place)
  }

  ready(bits: number): void {
    if (this.#fd.n === -1) return
    if ((bits & EPOLLERR) !== 0) {
      this.#end(true)
      return
    }
    if (!this.#connected && (bits & EPOLLOUT) !== 0) {
      this.#connected = true
      this.#steps.connected(this)
    }
    if ((bits & (EPOLLIN | EPOLLRDHUP)) !== 0 && this.#fd.n !== -1) this.#read((bits & EPOLLRDHUP) !== 0)
  }

  #send(block: Block): void {
    this.#shared.loop.libc.send(this.#fd, block, 0, requestSize, MSG_NOSIGNAL)
  }

  #read(ending: boolean): void {
    const { loop, into } = this.#shared
    const count = loop.libc.recv(this.#fd, into, 0, into.size, 0)
    if (count === EAGAIN) return
    if (count < 0) {
      this.#end(true)
      return
    }
    this.#received += count
    if (this.#received === this.#whole) {
      this.#received = 0
      this.#steps.answered(this)
    }
    // A short read that came with the peer's FIN was the last one.
    if (count === 0 || ending) this.#end(this.#received !== 0)
  }

  #end(failed: boolean): void {
    if (this.#fd.n === -1) return
    this.close()
    this.#steps.ended(this, failed)
  }
}
