import { socketAddress } from '../../src/core/address.ts'
import { EPOLLERR, EPOLLIN, EPOLLOUT, EPOLLRDHUP, MSG_NOSIGNAL } from '../../src/linux/constants.ts'
import { EAGAIN } from '../../src/linux/errno.ts'
import type { Fd } from '../../src/linux/fd.ts'
import { answering } from '../harness/answering.ts'
import type { Answer, Question } from '../harness/children.ts'
import { Loop, type Watcher } from './loop.ts'

// One end of bulk transfers. Both ends are told at the same time: one sends for `seconds`, the other counts.
const [host = '127.0.0.1'] = process.argv.slice(2)
/** Drops what it would have copied (tcp(7)): the receiver is not what is measured. */
const MSG_TRUNC = 0x20
const loop = new Loop()
const from = loop.libc.block(256 * 1024)
const into = loop.libc.block(1024 * 1024)
const patienceMs = 10_000

/** One connection, from whichever end it is seen. */
class Stream implements Watcher {
  bytes = 0
  state: 'moving' | 'ending' | 'whole' | 'broken' = 'moving'
  readonly #fd: Fd
  readonly #place: number
  readonly #sends: boolean
  #writable = false
  #readable = false

  constructor(fd: Fd, sends: boolean) {
    this.#fd = fd
    this.#sends = sends
    this.#place = loop.watch(fd, this)
  }

  /** There is something to do without waiting. */
  get busy(): boolean {
    if (this.state === 'moving' && this.#sends) return this.#writable || this.#readable
    return this.state !== 'whole' && this.state !== 'broken' && this.#readable
  }

  ready(bits: number): void {
    if ((bits & EPOLLERR) !== 0) {
      this.#end('broken')
      return
    }
    if ((bits & EPOLLOUT) !== 0) this.#writable = true
    if ((bits & (EPOLLIN | EPOLLRDHUP)) !== 0) this.#readable = true
  }

  /** One system call, so that the connections take turns. */
  move(): void {
    if (this.#fd.n === -1) return
    if (this.#readable) this.#receive()
    else if (this.#sends && this.#writable && this.state === 'moving') this.#send()
  }

  /** FIN; the peer's is still to come. */
  finish(): void {
    if (this.state !== 'moving') return
    this.state = 'ending'
    loop.libc.shutdownWrite(this.#fd)
  }

  /** At the end of a run. */
  drop(): void {
    if (this.#fd.n !== -1) this.#end('broken')
  }

  #send(): void {
    const count = loop.libc.send(this.#fd, from, 0, from.size, MSG_NOSIGNAL)
    if (count === EAGAIN) this.#writable = false
    else if (count < 0) this.#end('broken')
    else this.bytes += count
  }

  #receive(): void {
    const count = loop.libc.recv(this.#fd, into, 0, into.size, this.#sends ? 0 : MSG_TRUNC)
    if (count === EAGAIN) this.#readable = false
    else if (count > 0) this.bytes += count
    else if (count < 0) this.#end('broken')
    // A prober comes and goes without a byte, or before a sender is done.
    else if (this.#sends) this.#end(this.state === 'ending' ? 'whole' : 'broken')
    else this.#end(this.bytes > 0 ? 'whole' : 'broken')
  }

  #end(state: 'whole' | 'broken'): void {
    this.state = state
    loop.leave(this.#fd, this.#place)
  }
}

let streams: Stream[] = []
let sends = false
const here = socketAddress(host, 0)
if (here === undefined) throw new Error(`${host}: not a literal address`)
const listening = loop.listen(here, (fd) => streams.push(new Stream(fd, sends)))
answering({ port: listening }, run)

/** `side` client or server, `act` send or receive; the client is told where to. */
function run(question: Question): Answer {
  const { side, act, seconds, connections, port } = question
  sends = act === 'send'
  streams = []
  if (side === 'client') {
    const target = socketAddress(String(question.host), Number(port))
    if (target === undefined) throw new Error(`${question.host}: not a literal address`)
    streams = Array.from({ length: Number(connections) }, () => new Stream(loop.connect(target), sends))
  }
  let firstMs = 0
  const lateMs = performance.now() + Number(seconds) * 1000 + patienceMs
  while (streams.filter(({ state }) => state === 'whole').length < Number(connections)) {
    loop.turn(streams.some(({ busy }) => busy) ? 0 : 10)
    for (const stream of streams) stream.move()
    const nowMs = performance.now()
    if (firstMs === 0 && streams.some(({ bytes }) => bytes > 0)) firstMs = nowMs
    if (sends && firstMs > 0 && nowMs > firstMs + Number(seconds) * 1000) {
      for (const stream of streams) stream.finish()
    }
    if (nowMs > lateMs) throw new Error(`${side}, ${act}: ${streams.map(({ state }) => state)}`)
  }
  const bytes = streams.reduce((sum, stream) => sum + (stream.state === 'whole' ? stream.bytes : 0), 0)
  for (const stream of streams) stream.drop()
  return { bytes, seconds: (performance.now() - firstMs) / 1000 }
}
