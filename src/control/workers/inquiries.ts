import type { After } from '../../core/after.ts'
import type { ConnectionAnswer, ConnectionFilter, Question } from '../../core/connection.ts'
import type { Threads } from './threads.ts'

/** A worker that has not answered by then hangs. */
const answerMs = 2_000

export interface InquiriesOptions {
  readonly threads: Threads
  readonly workers: number
  /** What every id of this process begins with; then come the worker's index, `-` and a number. */
  readonly idPrefix: string
  readonly after: After
}

/** Asks the workers about their connections: one page at a time, so that no thread is held up for long. */
export class Inquiries {
  readonly #options: InquiriesOptions
  /** By number of the request. */
  readonly #open = new Map<
    number,
    { readonly index: number; settle(answer: ConnectionAnswer | null): void }
  >()
  #requests = 0
  #listings = 0

  constructor(options: InquiriesOptions) {
    this.#options = options
    const { threads } = options
    threads.on('answered', (request, answer) => this.#open.get(request)?.settle(answer))
    threads.on('died', (index) => {
      for (const open of [...this.#open.values()]) if (open.index === index) open.settle(null)
    })
  }

  /**
   * A JSON object in parts: `connections`, and in `silent` the workers that did not answer. Whoever stops
   * reading lets it end by return().
   */
  async *list(filter: ConnectionFilter): AsyncGenerator<string> {
    const { workers } = this.#options
    const listing = ++this.#listings
    const silent: number[] = []
    let before = '{"connections":[\n'
    for (let index = 1; index <= workers; index++) {
      let done = false
      let first: ConnectionFilter | null = filter
      try {
        while (!done) {
          const answer = await this.#ask(index, { kind: 'list', listing, filter: first })
          first = null
          done = answer?.kind !== 'page' || answer.done
          if (answer === null) silent.push(index)
          if (answer?.kind !== 'page' || answer.text === '') continue
          yield before + answer.text
          before = ',\n'
        }
      } finally {
        if (!done) void this.#ask(index, { kind: 'forget', listing })
      }
    }
    yield `${before === ',\n' ? '' : before}],"silent":${JSON.stringify(silent)}}\n`
  }

  /** JSON; null: there is no such connection. */
  async explain(id: string): Promise<string | null> {
    const answer = await this.#about(id, 'explain')
    return answer?.kind === 'explained' ? answer.text : null
  }

  /** RST to both sides. False: there is no such connection. */
  async kill(id: string): Promise<boolean> {
    return (await this.#about(id, 'kill'))?.kind === 'killed'
  }

  async #about(id: string, kind: 'explain' | 'kill'): Promise<ConnectionAnswer | null> {
    const { idPrefix, workers } = this.#options
    const [, worker, number] = /^(\d{1,3})-([\da-z]{1,11})$/.exec(id.slice(idPrefix.length)) ?? []
    const isOwn = id.startsWith(idPrefix) && worker !== undefined && number !== undefined
    if (isOwn && Number(worker) >= 1 && Number(worker) <= workers) {
      const answer = await this.#ask(Number(worker), { kind, which: { number: Number.parseInt(number, 36) } })
      if (answer !== null && answer.kind !== 'none') return answer
    }
    return this.#askAll({ kind, which: { id } })
  }

  /** About one that another process began, or that has gone to another worker. */
  async #askAll(question: Question): Promise<ConnectionAnswer | null> {
    const indices = Array.from({ length: this.#options.workers }, (_, i) => i + 1)
    const answers = await Promise.all(indices.map((index) => this.#ask(index, question)))
    return answers.find((answer) => answer !== null && answer.kind !== 'none') ?? null
  }

  /** null: it is dead, or does not answer. */
  #ask(index: number, question: Question): Promise<ConnectionAnswer | null> {
    const { threads, after } = this.#options
    const { promise, resolve } = Promise.withResolvers<ConnectionAnswer | null>()
    const request = ++this.#requests
    const settle = (answer: ConnectionAnswer | null): void => {
      cancel()
      this.#open.delete(request)
      resolve(answer)
    }
    const cancel = after(answerMs, () => settle(null))
    this.#open.set(request, { index, settle })
    if (!threads.send(index, { kind: 'ask', request, question })) settle(null)
    return promise
  }
}
