import { socketAddress } from '../src/core/address.ts'
import type { Block } from '../src/linux/block.ts'
import { IPPROTO_TCP, SO_ERROR, SOL_SOCKET, TCP_NODELAY } from '../src/linux/constants.ts'
import { ECONNREFUSED, EINPROGRESS } from '../src/linux/errno.ts'
import type { Fd } from '../src/linux/fd.ts'
import { type Libc, must } from '../src/linux/libc.ts'
import { loadLibc } from '../src/linux/load-libc.ts'
import { readPort, sockaddrSize, writeSockaddr } from '../src/linux/sockaddr.ts'

const SO_REUSEADDR = 2
const transferBytes = 64 * 1024

/**
 * Sockets by system calls. Node's own drop what they have read and not handed out when a reset comes, fail a connect whose
 * connection was reset before they looked, and can send nothing urgent: none of that may be taken for the peer's doing.
 */
export class Sockets {
  readonly libc: Libc
  /** Shared by all: a call is over before the next one begins. */
  readonly transfer: Block
  readonly #address: Block

  /** Throws where koffi does not load. */
  constructor() {
    const loaded = loadLibc()
    if (loaded.kind === 'missing') throw new Error(`the cases need koffi: ${loaded.reason}`)
    this.libc = loaded.libc
    this.transfer = this.libc.block(transferBytes)
    this.#address = this.libc.block(sockaddrSize)
  }

  /** A socket with a free port of 127.0.0.1 that nobody listens on: who dials it is refused. */
  reserve(): { readonly fd: Fd; readonly port: number } {
    const fd = must('socket', this.libc.socket(4))
    this.libc.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    must('bind', this.libc.bind(fd, this.#address, this.#write(0)))
    must('getsockname', this.libc.getsockname(fd, this.#address))
    return { fd, port: readPort(this.#address) }
  }

  /** undefined: nobody waits. */
  accept(fd: Fd): Fd | undefined {
    const accepted = this.libc.accept(fd, this.#address)
    if (typeof accepted === 'number') return undefined
    this.libc.setOption(accepted, IPPROTO_TCP, TCP_NODELAY, 1)
    return accepted
  }

  /** Begins to connect to a port of 127.0.0.1. */
  dial(port: number): Fd {
    const fd = must('socket', this.libc.socket(4))
    this.libc.setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1)
    const code = this.libc.connect(fd, this.#address, this.#write(port))
    if (code < 0 && code !== EINPROGRESS) must('connect', code)
    return fd
  }

  /** How far a dial is. `reset`: it was answered, and reset before anyone looked; what came is still to be read. */
  dialed(fd: Fd): 'under way' | 'connected' | 'refused' | 'reset' {
    if (this.libc.getpeername(fd, this.#address) >= 0) return 'connected'
    const error = this.libc.getOption(fd, SOL_SOCKET, SO_ERROR)
    if (error <= 0) return 'under way'
    return -error === ECONNREFUSED ? 'refused' : 'reset'
  }

  #write(port: number): number {
    const address = socketAddress('127.0.0.1', port)
    if (address === undefined) throw new Error(`there is no port ${port}`)
    return writeSockaddr(this.#address, address)
  }
}
