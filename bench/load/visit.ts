import type { SocketAddress } from '../../src/core/address.ts'
import type { Block } from '../../src/linux/block.ts'
import { EPOLLERR, EPOLLOUT, MSG_NOSIGNAL } from '../../src/linux/constants.ts'
import { EAGAIN } from '../../src/linux/errno.ts'
import type { Fd } from '../../src/linux/fd.ts'
import type { Loop, Watcher } from './loop.ts'

/** Memory that all visits of one process share. */
export interface VisitMemory {
  readonly loop: Loop
  readonly into: Block
  readonly ask: Block
  readonly askLast: Block
}

export function visitMemory(loop: Loop, host: string): VisitMemory {
  const request = (connection: string): Block => {
    const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: ${connection}\r\n\r\n`)
    const block = loop.libc.block(bytes.length)
    bytes.copy(block.bytes)
    return block
  }
  return { loop, into: loop.libc.block(4096), ask: request('keep-alive'), askLast: request('close') }
}

/** A whole answer of a gateway node, and which one it is from. */
const answer = /^HTTP\/1\.1 200 .*\r\n\r\nnode (\w+)\n$/s

/**
 * One HTTP connection, of one request (`last`) or of many. Times are performance.now(); the first request is sent as soon as
 * the connection stands.
 */
export class Visit implements Watcher {
  readonly openedMs = performance.now()
  /** When the first byte of the latest answer came. */
  firstByteMs: number | null = null
  /** When the latest request was answered as a whole. */
  answeredMs: number | null = null
  /** null: it lives. */
  endedMs: number | null = null
  /** Who answered last. */
  node: string | null = null
  readonly #memory: VisitMemory
  readonly #request: Block
  readonly #fd: Fd
  readonly #place: number
  #connected = false
  #text = ''

  constructor(memory: VisitMemory, target: SocketAddress, last: boolean) {
    this.#memory = memory
    this.#request = last ? memory.askLast : memory.ask
    this.#fd = memory.loop.connect(target)
    this.#place = memory.loop.watch(this.#fd, this)
  }

  /** Asks once more, unless an answer is still to come. */
  ask(): void {
    if (this.answeredMs === null || this.endedMs !== null) return
    this.answeredMs = null
    this.firstByteMs = null
    this.#send()
  }

  close(): void {
    if (this.endedMs !== null) return
    this.endedMs = performance.now()
    this.#memory.loop.leave(this.#fd, this.#place)
  }

  ready(bits: number): void {
    if (this.endedMs !== null) return
    if ((bits & EPOLLERR) !== 0) {
      this.close()
      return
    }
    if (!this.#connected && (bits & EPOLLOUT) !== 0) {
      this.#connected = true
      this.#send()
    }
    this.#read()
  }

  #send(): void {
    this.#memory.loop.libc.send(this.#fd, this.#request, 0, this.#request.size, MSG_NOSIGNAL)
  }

  #read(): void {
    const { loop, into } = this.#memory
    for (;;) {
      const count = loop.libc.recv(this.#fd, into, 0, into.size, 0)
      if (count === EAGAIN) return
      if (count <= 0) {
        this.close()
        return
      }
      this.firstByteMs ??= performance.now()
      this.#text += into.bytes.toString('latin1', 0, count)
      const [, node] = answer.exec(this.#text) ?? []
      if (node === undefined) continue
      this.#text = ''
      this.node = node
      this.answeredMs = performance.now()
    }
  }
}
