import type { After } from '../../core/after.ts'
import { refusal, textOf } from './answer.ts'
import type { Api } from './api.ts'
import type { ApiStatus } from './api-status.ts'
import type { EndpointSlice } from './endpoint-slice.ts'
import { type Failure, failure, failureOfError, failureOfStatus, isAnswered } from './failure.ts'
import { begin, type End, type Failed, following, type Step } from './list-watch-step.ts'
import { Patience } from './patience.ts'
import { readSliceList } from './slice-shape.ts'
import { parsed, readEvent, type WatchEvent } from './watch-event.ts'
import { Lines } from './watch-stream.ts'

export interface ServiceName {
  readonly namespace: string
  readonly name: string
}

export interface ListWatchDeps {
  readonly api: Api
  readonly after: After
  /** Monotonic milliseconds. */
  readonly nowMs: () => number
  /** 0 to 1. */
  readonly random: () => number
  /** All slices of the Service, by name, after each valid answer that says something of them. */
  readonly slices: (slices: ReadonlyMap<string, EndpointSlice>) => void
  /** The server has just said that what was told is all there is. */
  readonly confirmed: (by: Step['kind']) => void
  /** For people and counters: it is tried again. */
  readonly failed: (failure: Failure, asked: Asked) => void
}

/** What it was that failed. */
export interface Asked {
  readonly request: Step['kind']
  /** A watch that had been good for some time. */
  readonly worked: boolean
}

/**
 * For a whole page of a list, or the head of a watch. A list of a version that the server has not seen takes
 * 3 s.
 */
const answerMs = 30_000
/**
 * Asked of the server, so that the watches of many clients do not end together: client-go's 5 to 10 minutes.
 */
const leastWatchSeconds = 300
const mostWatchSeconds = 600
/** Bookmarks come every 60 s (k8s.io/apiserver, cacher.go); a late one is no stall. */
const bookmarkMs = 100_000
/** Without bookmarks a watch is silent until its end, which may be late by this much. */
const overdueMs = 30_000
/** As in client-go: a watch that ends sooner, without an event, has not worked. */
const shortestWatchMs = 1_000
/**
 * A watch that lasted this long has worked, even without an event; a server that cuts every watch is asked no
 * more often than this.
 */
const steadyMs = 5_000
/** A server whose clock is fast, or ours slow, ends a watch so much before its time. */
const earlyMs = 5_000
/** client-go's; a Service of 50,000 endpoints has 500 slices. */
const pageSlices = 500
/** The longest Retry-After that is obeyed. */
const longestRetryMs = 300_000
/** As client-go's reflector has them (tools/cache/reflector.go): the first wait, and the longest. */
const firstWaitMs = 800
const longestWaitMs = 30_000
/**
 * A server that is not there costs nobody anything, and one that restarts is to be followed 10 s after it is
 * ready.
 */
const soonMs = 5_000
/**
 * A restart is over by then: who still refuses us does it for a reason of its own, and need not be asked so
 * often.
 */
const restartMs = 120_000

/**
 * Keeps the EndpointSlices of one Service: lists them, watches for changes, and begins again when that fails,
 * for ever. Only a valid answer of the server ever takes anything away.
 */
export class ListWatch {
  readonly #path: string
  readonly #labelSelector: string
  readonly #deps: ListWatchDeps
  readonly #stopping = new AbortController()
  readonly #backoff = new Backoff()
  #slices = new Map<string, EndpointSlice>()
  /** A server that has sent one bookmark goes on sending them; no document promises any. */
  #bookmarks = false

  constructor({ namespace, name }: ServiceName, deps: ListWatchDeps) {
    this.#path = `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices`
    this.#labelSelector = `kubernetes.io/service-name=${name}`
    this.#deps = deps
    void this.#run()
  }

  /** Ends the request under way and its socket; nothing is called any more. */
  stop(): void {
    this.#stopping.abort()
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #run(): Promise<void> {
    let step = begin
    while (!this.#stopped) {
      const end = await this.#take(step)
      if (this.#stopped) return
      if (end.kind === 'ended' || (end.kind === 'failed' && end.worked)) this.#backoff.reset()
      if (end.kind === 'failed') {
        this.#deps.failed(end.failure, { request: step.kind, worked: end.worked })
      }
      const next = following(step, end)
      if (next.pause && end.kind === 'failed') await this.#rest(end.failure)
      step = next.step
    }
  }

  /** Never rejects. */
  async #take(step: Step): Promise<End> {
    const patience = new Patience(this.#deps.after, this.#stopping.signal)
    const progress = new Progress(step.kind === 'list' ? step.atLeast : step.from)
    try {
      return step.kind === 'list'
        ? await this.#list(step.atLeast, patience)
        : await this.#watch(progress, patience)
    } catch (error) {
      return failed(failureOfError(error), progress.version, progress.worked(this.#deps.nowMs()))
    } finally {
      patience.end()
    }
  }

  /** The slices change when the last page is there, and not before. */
  async #list(atLeast: string, patience: Patience): Promise<End> {
    const slices = new Map<string, EndpointSlice>()
    let version = atLeast
    let next: string | null = null
    do {
      const query: Record<string, string> = { labelSelector: this.#labelSelector, limit: String(pageSlices) }
      // A later page is of the first one's version; to name a version again is an error.
      if (next !== null) query.continue = next
      else if (atLeast !== '') {
        query.resourceVersion = atLeast
        // Without it, a limit beside a version means exactly that version: the past, for as long as etcd has
        // it.
        query.resourceVersionMatch = 'NotOlderThan'
      }
      patience.expect(answerMs, failure('timeout', `no list within ${answerMs / 1000}s`))
      const answer = await this.#deps.api.get(this.#path, query, patience.signal)
      if (answer.status !== 200) return failed(await refusal(answer), atLeast)
      const page = readSliceList(parsed(await textOf(answer), 'EndpointSliceList'))
      for (const slice of page.slices) slices.set(slice.name, slice)
      version = page.version
      next = page.next
    } while (next !== null)
    if (!this.#stopped) {
      this.#slices = slices
      this.#deps.confirmed('list')
      this.#deps.slices(slices)
    }
    return { kind: 'listed', version }
  }

  async #watch(progress: Progress, patience: Patience): Promise<End> {
    const { api, nowMs, random } = this.#deps
    const seconds = leastWatchSeconds + Math.floor(random() * (mostWatchSeconds - leastWatchSeconds))
    const query = {
      labelSelector: this.#labelSelector,
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: progress.version,
      timeoutSeconds: String(seconds),
    }
    patience.expect(answerMs, failure('timeout', `no watch within ${answerMs / 1000}s`))
    const answer = await api.get(this.#path, query, patience.signal)
    if (answer.status !== 200) return failed(await refusal(answer), progress.version)
    progress.open(nowMs())
    const lines = new Lines()
    const listen = () => {
      const ms = this.#bookmarks ? bookmarkMs : seconds * 1000 + overdueMs
      patience.expect(ms, failure('stalled', `a watch was silent for ${ms / 1000}s`))
    }
    listen()
    for await (const chunk of answer.body) {
      if (this.#stopped) break
      const status = this.#hear(progress, lines.push(chunk))
      if (status !== null) {
        return failed(failureOfStatus(status), progress.version, progress.worked(nowMs()))
      }
      listen()
    }
    return this.#endOf(progress, lines.unfinished, seconds * 1000)
  }

  /** Of a watch that the server has ended: it ran its time, or what is wrong with it. */
  #endOf(progress: Progress, unfinished: boolean, wantedMs: number): End {
    const nowMs = this.#deps.nowMs()
    const { version, heard } = progress
    const livedMs = progress.livedMs(nowMs)
    const worked = progress.worked(nowMs)
    if (unfinished) return failed(failure('connection', 'a watch ended within a line'), version, worked)
    if (!heard && livedMs < shortestWatchMs) {
      return failed(failure('short-watch', 'a watch ended at once'), version, worked)
    }
    // A server that is stopping ends its watches properly.
    if (livedMs < wantedMs - earlyMs) {
      return failed(failure('connection', 'the server ended a watch before its time'), version, worked)
    }
    return heard
      ? { kind: 'ended', version }
      : failed(failure('stalled', 'a watch ended without a word'), version, worked)
  }

  /** Takes the events of one chunk, and tells of them once. Returns why the watch is over, when it is. */
  #hear(progress: Progress, lines: readonly string[]): ApiStatus | null {
    let heard = false
    let changed = false
    try {
      for (const line of lines) {
        const event = readEvent(line)
        if (event.kind === 'error') return event.status
        changed = this.#apply(event) || changed
        progress.to(event.version)
        heard = true
      }
      return null
    } finally {
      // Also when a later line is broken: what was whole counts.
      if (heard) this.#deps.confirmed('watch')
      if (changed) this.#deps.slices(this.#slices)
    }
  }

  /** Whether it says anything of slices. */
  #apply(event: Exclude<WatchEvent, { kind: 'error' }>): boolean {
    switch (event.kind) {
      case 'set':
        this.#slices.set(event.slice.name, event.slice)
        return true
      case 'deleted':
        return this.#slices.delete(event.name)
      case 'bookmark':
        this.#bookmarks = true
        return false
    }
  }

  async #rest(failure: Failure): Promise<void> {
    const { nowMs, random, after } = this.#deps
    const ms = Math.max(
      this.#backoff.next(nowMs(), random(), isAnswered(failure)),
      Math.min(failure.retryAfterMs ?? 0, longestRetryMs),
    )
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = after(ms, resolve)
    const wake = () => resolve()
    this.#stopping.signal.addEventListener('abort', wake)
    await promise
    this.#stopping.signal.removeEventListener('abort', wake)
    cancel()
  }
}

/** How far a watch has come. */
class Progress {
  #version: string
  #heard = false
  /** When its answer began; null: not yet. */
  #openedMs: number | null = null

  constructor(from: string) {
    this.#version = from
  }

  /** To go on from. */
  get version(): string {
    return this.#version
  }

  /** An event or a bookmark has come. */
  get heard(): boolean {
    return this.#heard
  }

  open(nowMs: number): void {
    this.#openedMs = nowMs
  }

  to(version: string): void {
    this.#version = version
    this.#heard = true
  }

  livedMs(nowMs: number): number {
    return this.#openedMs === null ? 0 : nowMs - this.#openedMs
  }

  worked(nowMs: number): boolean {
    return this.livedMs(nowMs) >= (this.#heard ? shortestWatchMs : steadyMs)
  }
}

function failed(failure: Failure, version: string, worked = false): Failed {
  return { kind: 'failed', failure, version, worked }
}

/**
 * How long to wait after each of several failures: 800 ms, then twice as long each time, all of it times 1 to
 * 2.
 */
class Backoff {
  #stepMs = firstWaitMs
  #trouble: { readonly answered: boolean; readonly sinceMs: number } | null = null

  /**
   * `random`: 0 to 1. `answered`: the server did answer, only not as we wish. At most 5 s while nobody
   * answers, and during the first two minutes of refusals; 30 s after that. It begins anew when a server that
   * was away answers.
   */
  next(nowMs: number, random: number, answered: boolean): number {
    if (this.#trouble?.answered !== answered) {
      this.reset()
      this.#trouble = { answered, sinceMs: nowMs }
    }
    const lasting = answered && nowMs - this.#trouble.sinceMs >= restartMs
    const mostMs = (lasting ? longestWaitMs : soonMs) / 2
    const ms = Math.min(this.#stepMs, mostMs) * (1 + random)
    this.#stepMs = Math.min(this.#stepMs * 2, longestWaitMs)
    return ms
  }

  /** All is well. */
  reset(): void {
    this.#stepMs = firstWaitMs
    this.#trouble = null
  }
}
