import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** A server that keeps what a client sends first, for as long as `isEnough` says no, and then resets it. */
export class FirstBytes {
  readonly port: number
  readonly #server: Server
  readonly #isEnough: (bytes: Buffer) => boolean
  readonly #received: Buffer[] = []
  readonly #waiting: ((bytes: Buffer) => void)[] = []

  private constructor(server: Server, isEnough: (bytes: Buffer) => boolean) {
    this.#server = server
    this.#isEnough = isEnough
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket) => this.#receive(socket))
  }

  static async listen(isEnough: (bytes: Buffer) => boolean): Promise<FirstBytes> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new FirstBytes(server, isEnough)
  }

  /** What the next client has sent, those that came already included. */
  next(): Promise<Buffer> {
    const bytes = this.#received.shift()
    if (bytes !== undefined) return Promise.resolve(bytes)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  close(): void {
    this.#server.close()
  }

  #receive(socket: Socket): void {
    let bytes = Buffer.alloc(0)
    socket.on('error', () => {}) // the client may be the first to leave
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      if (!this.#isEnough(bytes)) return
      socket.resetAndDestroy()
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#received.push(bytes)
      else waiting(bytes)
    })
  }
}
