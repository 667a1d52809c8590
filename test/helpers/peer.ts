import { once } from 'node:events'
import { BoundSocket, connect, createServer, type Server, type Socket } from 'node:net'
import koffi from 'koffi'
import './left-over.ts'
import { ownPort } from './port.ts'

/** How a peer saw its connection end. */
export type Ending = 'fin' | 'rst'

/** One end of a TCP connection as a test holds it: half-open allowed, reads when told to, remembers how it ended. */
export class Peer {
  readonly socket: Socket
  #chunks: Buffer[] = []
  #size = 0
  #ending: Ending | null = null
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#size += chunk.length
      this.#wake()
    })
    socket.on('end', () => this.#end('fin'))
    socket.on('error', () => this.#end('rst'))
    socket.on('close', () => this.#wake())
  }

  /** Bytes received and not yet taken. */
  get size(): number {
    return this.#size
  }

  /** null: not over yet. */
  get ending(): Ending | null {
    return this.#ending
  }

  /** Takes exactly `count` bytes; rejects when the connection ends before. */
  async read(count: number): Promise<Buffer> {
    while (this.#size < count) {
      if (this.#ending !== null) throw new Error(`${this.#ending} after ${this.#size} of ${count} bytes`)
      await this.#woken()
    }
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all.subarray(count)]
    this.#size -= count
    return all.subarray(0, count)
  }

  /** Takes everything up to the end, and how it ended. */
  async readAll(): Promise<{ bytes: Buffer; ending: Ending }> {
    while (this.#ending === null) await this.#woken()
    const bytes = Buffer.concat(this.#chunks)
    this.#chunks = []
    this.#size = 0
    return { bytes, ending: this.#ending }
  }

  /** How the connection ended for this side. */
  async ended(): Promise<Ending> {
    return (await this.readAll()).ending
  }

  /** Resolves when the kernel has taken all of it. */
  async write(bytes: Uint8Array | string): Promise<void> {
    if (!this.socket.write(bytes)) await once(this.socket, 'drain')
  }

  /** FIN, after what was written. */
  end(bytes?: Uint8Array | string): void {
    if (bytes === undefined) this.socket.end()
    else this.socket.end(bytes)
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  #end(ending: Ending): void {
    this.#ending ??= ending
    this.#wake()
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

/** Connects to a local port. */
export async function dialPeer(port: number, host = '127.0.0.1', localAddress?: string): Promise<Peer> {
  const options = { port, host, allowHalfOpen: true }
  const socket = connect(localAddress === undefined ? options : { ...options, localAddress })
  await once(socket, 'connect')
  return new Peer(socket)
}

/** Connects to a port that is expected to cut it off, maybe before connect() has returned. */
export function turnedAway(port: number): Promise<Ending> {
  return new Peer(connect({ port, host: '127.0.0.1', allowHalfOpen: true })).ended()
}

/** A backend: hands out its connections in the order of their arrival. */
export class Backend {
  readonly server: Server
  readonly peers: Peer[] = []
  #taken = 0
  #wake: () => void = () => {}

  private constructor(onPeer: ((peer: Peer) => void) | undefined, paused: boolean) {
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const peer = new Peer(socket)
      if (paused) socket.pause()
      this.peers.push(peer)
      onPeer?.(peer)
      this.#wake()
    })
  }

  /** Listens on `port` (by default one of its own) of a loopback address. `onPeer` serves each connection. */
  static async start(
    options: { onPeer?: (peer: Peer) => void; host?: string; port?: number; paused?: boolean } = {},
  ): Promise<Backend> {
    const { host = '127.0.0.1', port = ownPort(host) } = options
    const backend = new Backend(options.onPeer, options.paused ?? false)
    backend.server.listen({ port, host, backlog: 4096 })
    await once(backend.server, 'listening')
    return backend
  }

  get port(): number {
    const address = this.server.address()
    if (address === null || typeof address === 'string') throw new Error('the backend does not listen')
    return address.port
  }

  /** The next connection that was not handed out yet. */
  async accept(): Promise<Peer> {
    for (;;) {
      const peer = this.peers[this.#taken]
      if (peer !== undefined) {
        this.#taken++
        return peer
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Stops listening and cuts what is left. */
  async close(): Promise<void> {
    for (const { socket } of this.peers) socket.destroy()
    if (!this.server.listening) return
    this.server.close()
    await once(this.server, 'close')
  }
}

/** An echo, half-close kept. */
export function echo(peer: Peer): void {
  peer.socket.pipe(peer.socket)
}

/** A local port where nobody listens: connections are refused. */
export async function closedPort(host = '127.0.0.1'): Promise<number> {
  return ownPort(host)
}

/**
 * A port that answers no SYN, as a black hole does: its accept queue is full, and Linux then drops the SYN. Needs koffi
 * for a listen() without accept().
 */
export async function silentPort(): Promise<{ port: number; answer: () => void; close: () => void }> {
  const bound = new BoundSocket({ host: '127.0.0.1', port: ownPort('127.0.0.1') })
  const listen = koffi.load('libc.so.6').func('int listen(int fd, int backlog)')
  listen(bound.fd(), 0)
  const port = Number(bound.address().port)
  const filler = connect({ port, host: '127.0.0.1' }) // a backlog of 0 still takes one
  await once(filler, 'connect')
  return {
    port,
    /** Makes room: the next SYN is answered. */
    answer: () => void listen(bound.fd(), 16),
    close() {
      filler.destroy()
      bound.close()
    },
  }
}
