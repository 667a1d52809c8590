import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'

/**
 * Connections at a steady pace from a process of their own, which is also the backend: whoever reloads on the main thread
 * must not slow down the clients that are to notice it.
 */

export interface LoadResult {
  /** Short connections that were answered and ended with FIN. */
  readonly served: number
  /** Of short connections, by what happened. */
  readonly errors: Readonly<Record<string, number>>
  /** Long-lived connections that ended before stop(). */
  readonly cut: number
  /** Answers on the long-lived ones. */
  readonly answers: number
  readonly seconds: number
}

type ToLoad =
  | { readonly kind: 'begin'; readonly port: number; readonly perSecond: number; readonly lasting: number }
  | { readonly kind: 'stop' }
type FromLoad =
  | { readonly kind: 'backend'; readonly port: number }
  | { readonly kind: 'lasting' }
  | ({ readonly kind: 'result' } & LoadResult)

export interface Load {
  /** The port of 127.0.0.1 where the backend echoes. */
  readonly backend: number
  /** Resolves when the `lasting` connections have their first answer. */
  begin(port: number, perSecond: number, lasting: number): Promise<void>
  /** Resolves when all connections are over. */
  stop(): Promise<LoadResult>
  /** For a test that failed. */
  kill(): void
}

export async function startLoad(): Promise<Load> {
  const child = fork(fileURLToPath(import.meta.url), ['load'], { stdio: 'inherit' })
  const said = async <Kind extends FromLoad['kind']>(
    kind: Kind,
  ): Promise<Extract<FromLoad, { kind: Kind }>> => {
    for (;;) {
      const [message]: FromLoad[] = await once(child, 'message')
      if (message?.kind === kind) return message as Extract<FromLoad, { kind: Kind }>
    }
  }
  const tell = (message: ToLoad): void => void child.send(message)
  const { port: backend } = await said('backend')
  return {
    backend,
    async begin(port, perSecond, lasting) {
      const ready = said('lasting')
      tell({ kind: 'begin', port, perSecond, lasting })
      await ready
    },
    async stop() {
      const result = said('result')
      const over = once(child, 'exit')
      tell({ kind: 'stop' })
      const { kind: _, ...numbers } = await result
      await over
      return numbers
    },
    kill() {
      child.kill('SIGKILL')
    },
  }
}

const message = Buffer.from('are you there?')
/** A connection that takes longer is counted as `timeout`. */
const patienceMs = 30_000
/** Short connections at a time: a machine that stood still is not to be met by all that it owes, nor one that cannot do more. */
const mostOpen = 100

/** Everything below runs in the child. */
class Generator {
  readonly #errors: Record<string, number> = {}
  #served = 0
  #open = 0
  #cut = 0
  #answers = 0
  #stopping = false
  readonly #lasting: Socket[] = []
  #timer: NodeJS.Timeout | null = null
  #startMs = 0

  begin(port: number, perSecond: number, lasting: number, ready: () => void): void {
    let waiting = lasting
    if (waiting === 0) ready()
    for (let i = 0; i < lasting; i++) {
      this.#last(port, () => {
        if (--waiting === 0) ready()
      })
    }
    this.#startMs = performance.now()
    let begun = 0
    this.#timer = setInterval(() => {
      const due = ((performance.now() - this.#startMs) * perSecond) / 1000
      for (; begun < due; begun++) if (this.#open < mostOpen) this.#visit(port)
    }, 5)
  }

  stop(done: (result: LoadResult) => void): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    const seconds = (performance.now() - this.#startMs) / 1000
    const wait = setInterval(() => {
      if (this.#open > 0) return
      clearInterval(wait)
      this.#stopping = true
      for (const socket of this.#lasting) socket.end()
      done({ served: this.#served, errors: this.#errors, cut: this.#cut, answers: this.#answers, seconds })
    }, 10)
  }

  #visit(port: number): void {
    this.#open++
    let received = 0
    let over = false
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    const end = (error: string | null): void => {
      if (over) return
      over = true
      this.#open--
      if (error === null) this.#served++
      else this.#errors[error] = (this.#errors[error] ?? 0) + 1
      socket.destroy()
    }
    socket.setTimeout(patienceMs, () => end('timeout'))
    socket.on('error', ({ message }) => end(message))
    socket.on('data', (chunk) => {
      received += chunk.length
    })
    socket.on('end', () => end(received === message.length ? null : `ended after ${received} bytes`))
    socket.on('connect', () => socket.end(message))
  }

  /** Asks every 20 ms. */
  #last(port: number, first: () => void): void {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#lasting.push(socket)
    let answered = false
    let timer: NodeJS.Timeout
    socket.on('connect', () => socket.write(message))
    socket.on('data', () => {
      this.#answers++
      if (!answered) first()
      answered = true
      timer = setTimeout(() => socket.writable && socket.write(message), 20)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      if (!this.#stopping) this.#cut++
    })
  }
}

if (process.argv[2] === 'load' && process.send !== undefined) {
  const tell = (said: FromLoad): void => void process.send?.(said)
  const backend = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  const generator = new Generator()
  process.on('message', (asked: ToLoad) => {
    if (asked.kind === 'begin') {
      generator.begin(asked.port, asked.perSecond, asked.lasting, () => tell({ kind: 'lasting' }))
      return
    }
    generator.stop((result) => {
      tell({ kind: 'result', ...result })
      backend.close()
      process.disconnect?.()
    })
  })
  process.on('disconnect', () => setTimeout(() => process.exit(), 1_000).unref())
  // Long enough for a machine that is busy for a moment: a queue that runs over answers with cookies, and those with RST.
  backend.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
    const address = backend.address()
    if (typeof address === 'object' && address !== null) tell({ kind: 'backend', port: address.port })
  })
}
