import { once } from 'node:events'
import { connect, isIPv6, type Socket } from 'node:net'

export interface Reply {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

/** How the connection ended. `given-up`: by our own hand, or by our patience. */
export type Ending = 'fin' | 'rst' | 'given-up'

/** One HTTP/1.1 client on one connection, which it never replaces by another. */
export class Visitor {
  readonly #socket: Socket
  readonly #host: string
  #received: Buffer[] = []
  #ending: Ending | null = null
  #news = Promise.withResolvers<void>()

  private constructor(socket: Socket, host: string) {
    this.#socket = socket
    this.#host = host
    socket.on('data', (bytes: Buffer) => {
      this.#received.push(bytes)
      this.#wake()
    })
    socket.on('end', () => this.#end('fin'))
    socket.on('error', ({ name }) => this.#end(name === 'AbortError' ? 'given-up' : 'rst'))
    socket.on('close', () => this.#end('given-up'))
  }

  /** Rejects as connect() does. Whoever connects calls close(); `patience` does it for those who forget. */
  static async connect(host: string, port: number, patience = AbortSignal.timeout(30_000)): Promise<Visitor> {
    const socket = connect({ host, port, noDelay: true, signal: patience })
    await once(socket, 'connect')
    return new Visitor(socket, isIPv6(host) ? `[${host}]` : host)
  }

  /** null: it lives. */
  get ending(): Ending | null {
    return this.#ending
  }

  /**
   * One request, and its whole reply. Rejects when the connection ends before. `close`: asks the server to
   * end it then.
   */
  async get(path: string, close = false): Promise<Reply> {
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: ${this.#host}`,
      ...(close ? ['Connection: close'] : []),
      '',
      '',
    ]
    this.#socket.write(lines.join('\r\n'))
    const head = await this.#head()
    const [first = '', ...fields] = head.split('\r\n')
    const headers = new Map(
      fields.map((field) => {
        const colon = field.indexOf(':')
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()]
      }),
    )
    const body = await this.#take(Number(headers.get('content-length')))
    return { status: Number(first.split(' ')[1]), headers, body }
  }

  /** Resolves when at least `count` bytes wait to be taken. Rejects when the connection ends before. */
  async received(count: number): Promise<void> {
    while (this.#received.reduce((sum, { length }) => sum + length, 0) < count) await this.#more()
  }

  /** Resolves when the other side has ended the connection. */
  async ended(): Promise<Ending> {
    while (this.#ending === null) await this.#news.promise
    return this.#ending
  }

  close(): void {
    this.#socket.destroy()
  }

  async #head(): Promise<string> {
    for (;;) {
      const end = Buffer.concat(this.#received).indexOf('\r\n\r\n')
      if (end >= 0) return (await this.#take(end + 4)).toString('latin1', 0, end)
      await this.#more()
    }
  }

  async #take(count: number): Promise<Buffer> {
    await this.received(count)
    const all = Buffer.concat(this.#received)
    this.#received = [all.subarray(count)]
    return all.subarray(0, count)
  }

  async #more(): Promise<void> {
    if (this.#ending !== null) throw new Error(`the connection ended (${this.#ending}) before the reply did`)
    await this.#news.promise
  }

  #wake(): void {
    this.#news.resolve()
    this.#news = Promise.withResolvers()
  }

  #end(ending: Ending): void {
    this.#ending ??= ending
    this.#wake()
  }
}
