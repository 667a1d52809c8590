import { once } from 'node:events'
import { STATUS_CODES } from 'node:http'
import { Server, type Socket } from 'node:net'
import { Turns } from '../telemetry/turns.ts'
import type { History } from './history.ts'
import { type AdminPages, freshPages, sharedPages } from './pages.ts'
import { maxHeadBytes, type RequestHead, readRequestHead } from './request-head.ts'
import { answer, type Reply, type Via } from './routes.ts'
import type { AdminActions, AdminSource } from './source.ts'

/**
 * Probes, a scraper or two and a person need a handful. It is below the 256 descriptors that are kept for
 * everything but connections.
 */
const mostConnections = 160
/**
 * A probe on a busy host takes this long from connect to its request; meanwhile others give way before it.
 */
const promptMs = 250
/** From connect to the last byte of the request. */
const requestMs = 5_000
/** From the request to the end: Prometheus gives up after 10 s by default. */
const answerMs = 10_000
/** A client that reads nothing of a large page for so long is cut off, because others wait for their turn. */
const unreadMs = 2_000
/**
 * After the answer: for the client to close, so that what it sent and nobody reads does not reset the answer
 * on its way.
 */
const lingerMs = 1_000
/** Two scrapers are usual while one replaces another. Pages for clients that wait are not in memory yet. */
const writers = 2

/**
 * An HTTP server for one of the two admin listeners, not yet listening. A connection serves one request, and
 * nothing behind the first is looked at: node:http reads all that a client sends in one go, and a pipeline of
 * 3,000 requests in 64 KiB made probes wait for seconds. One connection too many makes the oldest give way
 * that has not sent a whole request, then the oldest that has: whoever comes is served, so nobody can keep a
 * probe out by holding connections.
 */
export class AdminServer extends Server {
  readonly #app: AdminSource & AdminActions
  readonly #via: Via
  readonly #failed: (error: unknown, path: string) => void
  readonly #pages: AdminPages
  readonly #turns = new Turns(writers)
  // Both keep the order in which their members came.
  /** Since when: performance.now(). */
  readonly #silent = new Map<Socket, number>()
  readonly #asked = new Set<Socket>()
  readonly #lasting = new Set<Socket>()
  #trimming = false

  constructor(
    app: AdminSource & AdminActions,
    via: Via,
    history: History,
    failed: (error: unknown, path: string) => void,
  ) {
    super({ allowHalfOpen: true, noDelay: true })
    this.#app = app
    this.#via = via
    this.#failed = failed
    // Only the owner uses the UNIX socket, and expects to see the effect of the last command.
    this.#pages =
      via === 'tcp' ? sharedPages(app, history, () => performance.now()) : freshPages(app, history)
    this.on('connection', (socket: Socket) => this.#accepted(socket))
  }

  /** How many answers are under way that go on when the listener closes. */
  get lasting(): number {
    return this.#lasting.size
  }

  /** But those of lasting answers. */
  closeAllConnections(): void {
    for (const socket of [...this.#silent.keys(), ...this.#asked]) socket.destroy()
  }

  #accepted(socket: Socket): void {
    this.#silent.set(socket, performance.now())
    const late = setTimeout(() => socket.destroy(), requestMs)
    socket.once('close', () => {
      clearTimeout(late)
      this.#silent.delete(socket)
      this.#asked.delete(socket)
      this.#lasting.delete(socket)
    })
    socket.on('error', () => {}) // its close event follows
    let text = ''
    const read = (bytes: Buffer): void => {
      text += bytes.toString('latin1', 0, maxHeadBytes + 1)
      const head = readRequestHead(text)
      if (head.kind === 'incomplete') return
      socket.off('data', read).off('end', leave).pause()
      clearTimeout(late)
      this.#silent.delete(socket)
      this.#asked.add(socket)
      void this.#serve(socket, head)
    }
    const leave = (): void => void socket.destroy()
    socket.on('data', read).once('end', leave)
    this.#trimLater()
  }

  async #serve(socket: Socket, head: Exclude<RequestHead, { kind: 'incomplete' }>): Promise<void> {
    const path = head.kind === 'request' ? head.path : ''
    const reply = await this.#reply(socket, head).catch((error: unknown) => {
      this.#failed(error, path)
      return broken
    })
    if (socket.destroyed) return
    if (reply.lasting === true && this.#asked.delete(socket)) this.#lasting.add(socket)
    await send(socket, reply, head.kind === 'request' && head.method === 'HEAD').catch((error: unknown) => {
      if (!socket.destroyed) this.#failed(error, path)
      socket.destroy() // a part is missing: no end that looks like one
    })
  }

  async #reply(socket: Socket, head: Exclude<RequestHead, { kind: 'incomplete' }>): Promise<Reply> {
    if (head.kind === 'bad') return { ...broken, status: head.status, body: 'not a request of HTTP/1.1\n' }
    return answer(this.#app, this.#pages, { ...head, via: this.#via }, () => this.#turn(socket))
  }

  /** Resolves when a large page may be made for this client. The turn ends with the connection. */
  async #turn(socket: Socket): Promise<void> {
    const gaveUp = setTimeout(() => socket.destroy(), answerMs)
    socket.once('close', () => clearTimeout(gaveUp))
    await this.#turns.take()
    if (socket.closed) {
      this.#turns.leave()
      return
    }
    socket.once('close', () => this.#turns.leave())
  }

  /** libuv accepts all that wait in one go, and what they have sent is read in the turn after that. */
  #trimLater(): void {
    if (this.#trimming || this.#silent.size + this.#asked.size <= mostConnections) return
    this.#trimming = true
    setImmediate(() => setImmediate(() => this.#trim()))
  }

  #trim(): void {
    this.#trimming = false
    const nowMs = performance.now()
    const silent = [...this.#silent].map(([socket, sinceMs]) => ({
      socket,
      late: nowMs - sinceMs >= promptMs,
    }))
    const late = silent.filter((each) => each.late).map(({ socket }) => socket)
    const prompt = silent.filter((each) => !each.late).map(({ socket }) => socket)
    const surplus = silent.length + this.#asked.size - mostConnections
    for (const socket of [...late, ...this.#asked, ...prompt].slice(0, Math.max(0, surplus))) socket.destroy()
  }
}

const broken: Reply = {
  status: 500,
  contentType: 'text/plain; charset=utf-8',
  body: 'this page failed; the log says why\n',
}

async function send(
  socket: Socket,
  { status, contentType, body, allow, lasting, headers }: Reply,
  headOnly: boolean,
): Promise<void> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.isBuffer(body) ? body : null
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `date: ${new Date().toUTCString()}`,
    `content-type: ${contentType}`,
    ...(bytes === null ? [] : [`content-length: ${bytes.length}`]), // without: to the end of the connection
    'cache-control: no-store',
    'connection: close',
    ...(allow === undefined ? [] : [`allow: ${allow}`]),
    ...Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ]
  // Node's timer goes on while the send queue shrinks.
  if (lasting !== true) socket.setTimeout(unreadMs, () => socket.destroy())
  socket.cork()
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  if (bytes === null && !headOnly) {
    socket.uncork()
    await sendParts(socket, body)
  } else if (bytes !== null && !headOnly) socket.write(bytes)
  socket.end(() => {
    const late = setTimeout(() => socket.destroy(), lingerMs)
    socket.once('close', () => clearTimeout(late))
    socket.once('end', () => socket.destroy()).resume()
  })
}

/** The next part is made when the one before is gone. */
async function sendParts(socket: Socket, parts: Reply['body']): Promise<void> {
  if (typeof parts === 'string' || Buffer.isBuffer(parts)) return
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  for await (const part of parts) {
    if (socket.destroyed) return
    if (!socket.write(part)) await once(socket, 'drain', { signal: gone.signal })
  }
}
