import type { History } from './history.ts'
import type { AdminSource } from './source.ts'

/** A page that costs time and memory, ready to be sent. */
export interface Page {
  readonly contentType: string
  readonly body: Buffer
  readonly headers?: Readonly<Record<string, string>>
}

export interface AdminPages {
  metrics(): Promise<Page>
  status(): Promise<Page>
  /** The page for people. */
  page(): Promise<Page>
  /** What it shows. */
  overview(): Promise<Page>
}

const json = 'application/json; charset=utf-8'

/** A scrape this old is as good as a new one: collectors come every 15 s or so. */
const freshMs = 1_000

/** The large pages, made anew each time they are asked for. */
export function freshPages(app: AdminSource, history: History): AdminPages {
  return {
    async metrics() {
      const { contentType, text } = await app.metrics()
      return { contentType, body: Buffer.from(text) }
    },
    async status() {
      const body = Buffer.from(`${JSON.stringify(app.status())}\n`)
      return { contentType: json, body }
    },
    // Only who looks at the page pays for it, in time and in memory.
    async page() {
      const { page } = await import('./page/page.ts')
      return page()
    },
    async overview() {
      const { overview } = await import('./page/overview.ts')
      const body = Buffer.from(JSON.stringify(overview(app, history, performance.now(), Date.now())))
      return { contentType: json, body, headers: { 'cross-origin-resource-policy': 'same-origin' } }
    },
  }
}

/**
 * The large pages, each made once a second at most and shared, memory included, by all who ask: with 500
 * endpoints a scrape is a megabyte, and sixty who ask in a loop would leave no time for anything else.
 */
export function sharedPages(app: AdminSource, history: History, nowMs: () => number): AdminPages {
  const { metrics, status, page, overview } = freshPages(app, history)
  return {
    metrics: shared(metrics, nowMs),
    status: shared(status, nowMs),
    page: shared(page, nowMs),
    overview: shared(overview, nowMs),
  }
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
