import { connect, type Socket } from 'node:net'

/** A lost SYN is sent again after one second, and a lost wake-up waits for the next connection: what is sooner is neither. */
const lateMs = 1_000
/** Nor is what nobody has overtaken who came so much later: then the machine stood still. */
const overtakenMs = 500
/** Then a connection without an answer is given up. */
const patienceMs = 30_000
const tickMs = 10
const question = 'are you there?'

/** What became of the connections of a Load. */
export interface Figures {
  made: number
  served: number
  refused: number
  reset: number
  /** Answered, but later than after a second, and than others who came later. */
  late: number
  /** Ended without an answer, or not at all. */
  unanswered: number
  slowestMs: number
}

/** New connections at a steady rate, each with one question and one answer, to an echo behind the forwarder. */
export class Load {
  readonly figures: Figures = {
    made: 0,
    served: 0,
    refused: 0,
    reset: 0,
    late: 0,
    unanswered: 0,
    slowestMs: 0,
  }
  readonly #port: number
  readonly #perSecond: number
  readonly #beganMs = performance.now()
  readonly #timer: NodeJS.Timeout
  readonly #open = new Set<Promise<void>>()
  /** When the latest of those who were answered had come. */
  #answeredMs = Number.NEGATIVE_INFINITY

  constructor(port: number, perSecond: number) {
    this.#port = port
    this.#perSecond = perSecond
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  /** Connections without an answer so far. */
  get open(): number {
    return this.#open.size
  }

  /** Waits for the answers that are outstanding. */
  async stop(): Promise<Figures & { readonly perSecond: number }> {
    clearInterval(this.#timer)
    const seconds = (performance.now() - this.#beganMs) / 1000
    await Promise.all(this.#open)
    return { ...this.figures, perSecond: Math.round(this.figures.made / seconds) }
  }

  #tick(): void {
    const due = ((performance.now() - this.#beganMs) / 1000) * this.#perSecond
    // What a pause of this process has left out is caught up, but not in one burst that fills every queue.
    for (let i = 0; i < this.#perSecond / 20 && this.figures.made < due; i++) {
      const visit = this.#visit(connect(this.#port, '127.0.0.1'))
      this.#open.add(visit)
      void visit.then(() => this.#open.delete(visit))
    }
  }

  async #visit(socket: Socket): Promise<void> {
    const { figures } = this
    const beganMs = performance.now()
    figures.made++
    const code = await ask(socket)
    const ms = performance.now() - beganMs
    figures.slowestMs = Math.max(figures.slowestMs, Math.round(ms))
    if (code === null) {
      figures.served++
      if (ms > lateMs && this.#answeredMs - beganMs > overtakenMs) figures.late++
      this.#answeredMs = Math.max(this.#answeredMs, beganMs)
    } else if (code === 'ECONNREFUSED') figures.refused++
    else if (code === 'ECONNRESET' || code === 'EPIPE') figures.reset++
    else figures.unanswered++
  }
}

/** null: answered; otherwise the error's code. Never rejects; the socket is closed afterwards. */
function ask(socket: Socket): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>()
  let answer = ''
  socket.setTimeout(patienceMs, () => socket.destroy())
  socket.setEncoding('latin1')
  socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'EIO'))
  socket.on('close', () => resolve('unanswered'))
  socket.on('data', (text: string) => {
    answer += text
    if (answer.length < question.length) return
    resolve(answer === question ? null : 'wrong')
    socket.end()
  })
  socket.write(question)
  return promise
}

/** Whether one question is answered. */
export async function answers(port: number): Promise<boolean> {
  return (await ask(connect(port, '127.0.0.1'))) === null
}
