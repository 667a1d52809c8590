import { type Reply, Visitor } from './visitor.ts'

/** One connection from its opening to its end. Times are performance.now(). */
export interface Visit {
  readonly openedMs: number
  readonly endedMs: number
  /** Of the gateway that answered; null: the visit failed. */
  readonly node: string | null
  /** null: it was served. */
  readonly error: string | null
}

/** From the opening of a connection to its end. */
const patienceMs = 20_000

/**
 * Opens a connection, asks for `/`, and checks that the whole reply of a gateway comes and then the end.
 * Never rejects.
 */
export async function visit(host: string, port: number): Promise<Visit> {
  const openedMs = performance.now()
  const over = (node: string | null, error: string | null): Visit => ({
    openedMs,
    endedMs: performance.now(),
    node,
    error,
  })
  try {
    const visitor = await Visitor.connect(host, port, AbortSignal.timeout(patienceMs))
    try {
      const reply = await visitor.get('/', true)
      const ending = await visitor.ended()
      return ending === 'fin' && reply.status === 200
        ? over(nodeOf(reply), null)
        : over(null, `status ${reply.status}, then ${ending}`)
    } finally {
      visitor.close()
    }
  } catch (error) {
    return over(null, error instanceof Error ? error.message : String(error))
  }
}

/** How often each error occurred; empty: every visit was served. */
export function errors(made: readonly Visit[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { error } of made) if (error !== null) counts[error] = (counts[error] ?? 0) + 1
  return counts
}

/** Main says that a port is closed, its workers close it: they may take so long on a busy machine. */
const closingMs = 5_000

/** Resolves when connections are refused; rejects when they go on to be accepted. */
export async function refused(host: string, port: number): Promise<void> {
  const deadline = performance.now() + closingMs
  for (;;) {
    const { error } = await visit(host, port)
    if (error?.includes('ECONNREFUSED') === true) return
    if (performance.now() > deadline) throw new Error(`port ${port} is open: ${error ?? 'served'}`)
  }
}

/** The gateway that a reply is from, in its header and in its body; throws when they differ. */
export function nodeOf({ headers, body }: Reply): string {
  const node = headers.get('x-node') ?? ''
  if (body.toString() !== `node ${node}\n`) throw new Error(`a reply of node ${node} says: ${body}`)
  return node
}

/** `count` visits, `atOnce` at a time. */
export async function visits(count: number, atOnce: number, host: string, port: number): Promise<Visit[]> {
  const made: Visit[] = []
  let left = count
  const lane = async (): Promise<void> => {
    while (left-- > 0) made.push(await visit(host, port))
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return made
}

/**
 * New connections at a steady pace, whatever becomes of the earlier ones, until stop(). At most `mostOpen` at a time: on a
 * machine that cannot do as much, or stands still for a moment, there are fewer, and not all of them at once.
 */
export class Traffic {
  readonly #visits: Promise<Visit>[] = []
  readonly #timer: NodeJS.Timeout

  constructor(perSecond: number, host: string, port: number, mostOpen = 2 * perSecond) {
    const startMs = performance.now()
    let begun = 0
    let open = 0
    this.#timer = setInterval(() => {
      const due = ((performance.now() - startMs) * perSecond) / 1000
      for (; begun < due; begun++) {
        if (open >= mostOpen) continue
        open++
        this.#visits.push(visit(host, port).finally(() => open--))
      }
    }, 5)
  }

  /** Resolves when `count` more connections were opened and have ended. */
  async more(count: number): Promise<void> {
    const from = this.#visits.length
    while (this.#visits.length < from + count) await new Promise((resolve) => setTimeout(resolve, 5))
    await Promise.all(this.#visits.slice(from, from + count))
  }

  /** Resolves when a connection that was opened after this call was served by `node`; its share may be one in a hundred. */
  async servedBy(node: string): Promise<void> {
    const deadline = performance.now() + 2 * patienceMs
    for (let at = this.#visits.length; ; at++) {
      while (at >= this.#visits.length) await new Promise((resolve) => setTimeout(resolve, 5))
      if ((await this.#visits[at])?.node === node) return
      if (performance.now() > deadline)
        throw new Error(`gateway ${node} served nobody for ${2 * patienceMs} ms`)
    }
  }

  /** Opens no more; resolves with all visits when the last one has ended. */
  stop(): Promise<Visit[]> {
    clearInterval(this.#timer)
    return Promise.all(this.#visits)
  }
}
