import type { AdminSource } from './source.ts'

/** A page that costs time and memory, ready to be sent. */
export interface Page {
  readonly contentType: string
  readonly body: Buffer
}

export interface AdminPages {
  metrics(): Promise<Page>
  status(): Promise<Page>
}

/** A scrape this old is as good as a new one: collectors come every 15 s or so. */
const freshMs = 1_000

/** The large pages, made anew each time they are asked for. */
export function freshPages(app: AdminSource): AdminPages {
  return {
    async metrics() {
      const { contentType, text } = await app.metrics()
      return { contentType, body: Buffer.from(text) }
    },
    async status() {
      const body = Buffer.from(`${JSON.stringify(app.status())}\n`)
      return { contentType: 'application/json; charset=utf-8', body }
    },
  }
}

/**
 * The large pages, each made once a second at most and shared, memory included, by all who ask: with 500
 * endpoints a scrape is a megabyte, and sixty who ask in a loop would leave no time for anything else.
 */
export function sharedPages(app: AdminSource, nowMs: () => number): AdminPages {
  const { metrics, status } = freshPages(app)
  return { metrics: shared(metrics, nowMs), status: shared(status, nowMs) }
}

function shared(make: () => Promise<Page>, nowMs: () => number): () => Promise<Page> {
  let latest: Promise<Page> | null = null
  let atMs = 0
  return () => {
    if (latest !== null && nowMs() - atMs < freshMs) return latest
    atMs = nowMs()
    const made = make()
    latest = made
    // One that failed is no answer for the next who asks.
    made.catch(() => {
      if (latest === made) latest = null
    })
    return made
  }
}
