import type { Fd } from '../src/linux/fd.ts'
import { must } from '../src/linux/libc.ts'
import { Fault } from './case.ts'
import type { Sockets } from './sockets.ts'
import { until } from './until.ts'
import { Wire } from './wire.ts'

/** As much as net.core.somaxconn allows by default. */
const backlog = 4096

/** A server's port of 127.0.0.1, which listens, refuses, or answers no SYN. */
export class Endpoint {
  readonly port: number
  readonly #sockets: Sockets
  readonly #fd: Fd
  readonly #wires: Wire[] = []
  #fillers: Fd[] = []
  #serving: NodeJS.Timeout | undefined

  private constructor(sockets: Sockets) {
    const { fd, port } = sockets.reserve()
    this.port = port
    this.#sockets = sockets
    this.#fd = fd
  }

  static listening(sockets: Sockets): Endpoint {
    const endpoint = new Endpoint(sockets)
    endpoint.listen()
    return endpoint
  }

  /** From now on whoever dials it is answered with RST. */
  refuse(): void {
    this.#sockets.libc.close(this.#fd)
  }

  /** From now on a black hole: its accept queue is full, and Linux drops every further SYN. */
  async silence(): Promise<void> {
    must('listen', this.#sockets.libc.listen(this.#fd, 0))
    const filler = this.#sockets.dial(this.port) // a backlog of 0 still takes one
    this.#fillers.push(filler)
    await until(() => this.#sockets.dialed(filler) === 'connected' || undefined, 'the queue did not fill')
  }

  listen(): void {
    must('listen', this.#sockets.libc.listen(this.#fd, backlog))
  }

  /** Of a silent one: the next SYN is answered. */
  answer(): void {
    this.listen()
    for (const filler of this.#fillers) {
      const accepted = this.#sockets.accept(this.#fd)
      if (accepted !== undefined) this.#sockets.libc.close(accepted)
      this.#sockets.libc.close(filler)
    }
    this.#fillers = []
  }

  /** undefined: nobody waits. */
  look(): Wire | undefined {
    const fd = this.#sockets.accept(this.#fd)
    if (fd === undefined) return undefined
    const wire = new Wire('the server', this.#sockets, fd)
    this.#wires.push(wire)
    return wire
  }

  /** Throws Fault when nobody comes. */
  accept(limitMs?: number): Promise<Wire> {
    return until(() => this.look(), 'no connection came to the server', limitMs)
  }

  /** From now on every connection is `serve`d, until the case is over. A Fault in it is the client's to notice. */
  serve(serve: (wire: Wire) => Promise<void>): void {
    const accept = (): void => {
      for (let wire = this.look(); wire !== undefined; wire = this.look()) {
        serve(wire).catch((error: unknown) => {
          if (!(error instanceof Fault)) throw error
        })
      }
      this.#serving = setTimeout(accept, 1)
    }
    accept()
  }

  /** Connections that come from now on wait in its queue. */
  stopServing(): void {
    clearTimeout(this.#serving)
  }

  close(): void {
    this.stopServing()
    for (const wire of this.#wires) wire.close()
    for (const filler of this.#fillers) this.#sockets.libc.close(filler)
    this.#sockets.libc.close(this.#fd)
  }
}

/** Sends back what comes, and ends when the client does. */
export async function echo(wire: Wire): Promise<void> {
  while (wire.ending === null) {
    await until(() => wire.read() || undefined, 'nothing to echo', 60_000)
    if (wire.size > 0) await wire.send(await wire.take(wire.size))
  }
  wire.close()
}
