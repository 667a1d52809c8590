import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * What a conversation does. talk: both sides send pieces of random sizes at random moments. half-*: the same
 * after one side has ended. blocked-*: that side reads nothing, while the other one sends as long as anybody takes
 * it. bulk: both sides send without a pause worth the name. idle: a few bytes, then nothing.
 */
export type Kind =
  | 'talk'
  | 'half-client'
  | 'half-server'
  | 'blocked-client'
  | 'blocked-server'
  | 'bulk'
  | 'idle'

/** A prime: what is lost or doubled shows, unless it is a multiple of this. */
const period = 65_521
const largest = 64 * 1024
/** The bytes of all streams, from random places in it. */
const pattern = makePattern()
const bulkBytes = 128 * 1024
const bulkEveryMs = 20
const idBytes = 4

/** mulberry32: numbers from 0 to below 1. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function makePattern(): Buffer {
  const random = seeded(15)
  const once = Buffer.from(Uint8Array.from({ length: period }, () => Math.floor(random() * 256)))
  return Buffer.concat([once, once, once])
}

/** One end: what it sends and what it has received, byte for byte. */
export class End {
  readonly socket: Socket
  readonly #sends: number
  readonly #expects: number
  sent = 0
  received = 0
  /** The offset of the first wrong byte; -1: none. */
  wrongAt = -1
  ended: 'fin' | 'rst' | null = null
  /** It has said its last word. */
  closed = false
  longestGapMs = 0
  #latestMs = 0
  #timer: NodeJS.Timeout | null = null
  #wake: () => void = () => {}

  constructor(socket: Socket, id: number, side: 0 | 1) {
    this.socket = socket
    this.#sends = (id * 7919 + side * 104_729) % period
    this.#expects = (id * 7919 + (1 - side) * 104_729) % period
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('end', () => this.#end('fin'))
    socket.on('error', () => this.#end('rst'))
    socket.on('close', () => this.#wake())
  }

  send(count: number): boolean {
    let more = true
    for (let left = count; left > 0; ) {
      const size = Math.min(left, largest)
      const from = (this.#sends + this.sent) % period
      more = this.socket.write(pattern.subarray(from, from + size))
      this.sent += size
      left -= size
    }
    return more
  }

  /** Sends pieces at random moments until stop(). */
  talk(random: () => number): void {
    const next = (): void => {
      if (this.socket.writableLength < largest)
        this.send(random() < 0.05 ? 30_000 : 1 + Math.floor(random() * 1500))
      this.#timer = setTimeout(next, 10 + random() * 30)
    }
    next()
  }

  /** Sends as much as is taken, until stop(). */
  flood(): void {
    const next = (): void => {
      if (this.socket.writableLength < bulkBytes) this.send(bulkBytes)
      this.#timer = setTimeout(next, bulkEveryMs)
    }
    next()
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  /** FIN, after what was sent. */
  close(): void {
    this.stop()
    if (this.closed) return
    this.closed = true
    this.socket.end()
  }

  /** Resolves when it has ended. */
  async over(): Promise<void> {
    while (this.ended === null && !this.socket.destroyed)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
  }

  /** Resolves when `count` bytes have come, or it has ended. */
  async got(count: number): Promise<void> {
    while (this.received < count && this.ended === null)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
  }

  /** Counts the longest pause from now on. */
  resetGap(): void {
    this.longestGapMs = 0
    this.#latestMs = 0
  }

  #take(bytes: Buffer): void {
    const nowMs = performance.now()
    if (this.#latestMs > 0) this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.#latestMs)
    this.#latestMs = nowMs
    for (let at = 0; at < bytes.length; ) {
      const size = Math.min(bytes.length - at, period)
      const from = (this.#expects + this.received) % period
      const piece = bytes.subarray(at, at + size)
      if (this.wrongAt === -1 && !piece.equals(pattern.subarray(from, from + size)))
        this.wrongAt = this.received
      this.received += size
      at += size
    }
    this.#wake()
  }

  #end(how: 'fin' | 'rst'): void {
    this.ended ??= how
    this.#wake()
  }
}

export class Conversation {
  readonly id: number
  readonly kind: Kind
  readonly client: End
  readonly server: End

  constructor(id: number, kind: Kind, client: End, server: End) {
    this.id = id
    this.kind = kind
    this.client = client
    this.server = server
  }

  begin(random: () => number): void {
    const { kind, client, server } = this
    switch (kind) {
      case 'talk':
        client.talk(random)
        server.talk(random)
        return
      case 'half-client':
        client.send(1000)
        client.close()
        server.talk(random)
        return
      case 'half-server':
        server.send(1000)
        server.close()
        client.talk(random)
        return
      case 'blocked-client':
        client.socket.pause()
        server.flood()
        return
      case 'blocked-server':
        server.socket.pause()
        client.flood()
        return
      case 'bulk':
        client.flood()
        server.flood()
        return
      case 'idle':
        client.send(10)
        server.send(10)
        return
    }
  }

  /** Both sides say their last word; resolves when both have heard the other's. */
  async finish(): Promise<void> {
    for (const end of [this.client, this.server]) {
      end.close()
      end.socket.resume()
    }
    await Promise.all([this.client.over(), this.server.over()])
  }

  /** What is wrong with it; null: every byte has come, and both ends. After finish(). */
  get fault(): string | null {
    const { id, kind, client, server } = this
    const said = (what: string): string => `${kind} ${id}: ${what}`
    for (const [name, end, other] of [
      ['client', client, server],
      ['server', server, client],
    ] as const) {
      if (end.wrongAt !== -1) return said(`${name} got a wrong byte at ${end.wrongAt} of ${end.received}`)
      if (end.ended !== 'fin') return said(`${name} ended by ${end.ended}, ${end.received} of ${other.sent}`)
      if (end.received !== other.sent) return said(`${name} got ${end.received} of ${other.sent} bytes`)
    }
    return null
  }
}

/** Where the conversations' other ends are, and who makes them. */
export class Conversations {
  readonly all: Conversation[] = []
  readonly #server: Server
  readonly #waiting = new Map<number, (end: End) => void>()
  readonly #random: () => number
  #ids = 0

  private constructor(server: Server, seed: number) {
    this.#server = server
    this.#random = seeded(seed)
    server.on('connection', (socket: Socket) => {
      socket.on('error', () => {})
      socket.once('readable', () => {
        const head: Buffer | null = socket.read(idBytes)
        if (head === null) {
          socket.destroy() // a probe, or one that was cut
          return
        }
        const id = head.readUInt32LE(0)
        const settle = this.#waiting.get(id)
        this.#waiting.delete(id)
        settle?.(new End(socket, id, 1))
      })
    })
  }

  static async listen(host: string, port: number, seed: number): Promise<Conversations> {
    const server = createServer({ allowHalfOpen: true })
    server.listen({ host, port, backlog: 4096 })
    await once(server, 'listening')
    return new Conversations(server, seed)
  }

  /** At a UNIX socket that everybody may connect to. */
  static async listenAt(path: string, seed: number): Promise<Conversations> {
    const server = createServer({ allowHalfOpen: true })
    server.listen({ path, backlog: 4096, readableAll: true, writableAll: true })
    await once(server, 'listening')
    return new Conversations(server, seed)
  }

  /** Opens `count` conversations of a kind through the forwarder at `port`, and begins them. */
  async open(kind: Kind, count: number, port: number, host: string): Promise<readonly Conversation[]> {
    const opened: Conversation[] = []
    const batch = 100
    for (let done = 0; done < count; done += batch) {
      const some = Array.from({ length: Math.min(batch, count - done) }, () => this.#one(kind, port, host))
      opened.push(...(await Promise.all(some)))
    }
    return opened
  }

  async #one(kind: Kind, port: number, host: string): Promise<Conversation> {
    const id = ++this.#ids
    const met = new Promise<End>((resolve) => this.#waiting.set(id, resolve))
    const socket = connect({ port, host, allowHalfOpen: true })
    await once(socket, 'connect')
    const head = Buffer.alloc(idBytes)
    head.writeUInt32LE(id)
    socket.write(head)
    const client = new End(socket, id, 0)
    const conversation = new Conversation(id, kind, client, await met)
    this.all.push(conversation)
    conversation.begin(this.#random)
    return conversation
  }

  /** The longest pause of those that talk, in ms. */
  get longestGapMs(): number {
    const talking = this.all.filter(({ kind }) => kind === 'talk')
    return Math.max(0, ...talking.flatMap(({ client, server }) => [client.longestGapMs, server.longestGapMs]))
  }

  resetGaps(): void {
    for (const { client, server } of this.all) for (const end of [client, server]) end.resetGap()
  }

  /** Ends all of them properly; what was wrong. */
  async finish(): Promise<readonly string[]> {
    await Promise.all(this.all.map((each) => each.finish()))
    return this.all.flatMap(({ fault }) => fault ?? [])
  }

  close(): void {
    for (const { client, server } of this.all) {
      for (const end of [client, server]) {
        end.stop()
        end.socket.destroy()
      }
    }
    this.#server.close()
  }
}
