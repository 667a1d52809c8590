import type { SocketAddress } from '../../src/core/address.ts'
import type { Block } from '../../src/linux/block.ts'
import {
  EPOLLERR,
  EPOLLIN,
  EPOLLRDHUP,
  IPPROTO_TCP,
  MSG_NOSIGNAL,
  TCP_NODELAY,
} from '../../src/linux/constants.ts'
import { EAGAIN } from '../../src/linux/errno.ts'
import type { Fd } from '../../src/linux/fd.ts'
import type { Loop, Watcher } from './loop.ts'
import { answer, answerSize, bodySize, closing, headSize, requestSize } from './messages.ts'

/** greets: speaks first. halves: answers in two writes and leaves Nagle's algorithm on, as many servers do. */
export type Manner = 'answers' | 'greets' | 'halves'

/** The backend of the small exchanges: answers each request, ends after a last one. */
export class WireServer {
  readonly port: number
  /** Connections that are open. A prober's count as well. */
  open = 0
  manner: Manner = 'answers'

  constructor(loop: Loop, address: SocketAddress) {
    const block = loop.libc.block(4096)
    const answers = loop.libc.block(Math.max(answerSize, headSize, bodySize))
    answers.bytes.fill(answer)
    this.port = loop.listen(address, (fd) => {
      const served = new Served(loop, this, fd, block, answers)
      if (this.manner === 'greets') served.answer()
      // TCP_NODELAY is inherited from the socket that listens.
      if (this.manner === 'halves') loop.libc.setOption(fd, IPPROTO_TCP, TCP_NODELAY, 0)
    })
  }
}

class Served implements Watcher {
  readonly #loop: Loop
  readonly #server: WireServer
  readonly #fd: Fd
  readonly #place: number
  readonly #block: Block
  readonly #answers: Block

  constructor(loop: Loop, server: WireServer, fd: Fd, block: Block, answers: Block) {
    this.#loop = loop
    this.#server = server
    this.#fd = fd
    this.#block = block
    this.#answers = answers
    this.#place = loop.watch(fd, this)
    server.open++
  }

  answer(): void {
    if (this.#server.manner === 'halves') {
      this.#send(headSize)
      this.#send(bodySize)
    } else this.#send(answerSize)
  }

  ready(bits: number): void {
    if (this.#fd.n === -1) return
    if ((bits & EPOLLERR) !== 0) this.#close()
    else if ((bits & (EPOLLIN | EPOLLRDHUP)) !== 0) this.#read((bits & EPOLLRDHUP) !== 0)
  }

  #send(size: number): void {
    this.#loop.libc.send(this.#fd, this.#answers, 0, size, MSG_NOSIGNAL)
  }

  #read(ending: boolean): void {
    const { libc } = this.#loop
    const count = libc.recv(this.#fd, this.#block, 0, this.#block.size, 0)
    if (count === EAGAIN) return
    // A request is one segment, and nobody here sends a second one before its answer.
    if (count >= requestSize) this.answer()
    if (count <= 0 || ending) this.#close()
    else if (this.#block.bytes[0] === closing) libc.shutdownWrite(this.#fd)
  }

  #close(): void {
    this.#server.open--
    this.#loop.leave(this.#fd, this.#place)
  }
}
