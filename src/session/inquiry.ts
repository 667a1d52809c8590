import type { ConnectionAnswer, ConnectionFilter, Question, Which } from '../core/connection.ts'
import { connectionOf, explanationOf, fits, type SessionStory, type SessionView } from './connection-view.ts'

/**
 * How many connections are looked at for one page: a quarter of a millisecond, after which clients have their
 * turn.
 */
const pageSize = 128
/** A listing that nobody goes on with is forgotten when the next one begins. */
const forgottenMs = 30_000

/** A connection that can be asked about. */
export interface Asked {
  readonly seat: number
  readonly number: number
  /** The id that another process gave it; null: it has one of this process. */
  readonly foreignId: string | null
  view(): SessionView
  story(): SessionStory
  kill(cause: 'admin'): void
}

export interface InquiryContext {
  readonly live: { visit(see: (session: Asked) => void): void }
  readonly now: () => number
}

interface Listing {
  readonly sessions: Asked[]
  readonly filter: ConnectionFilter
  readonly sinceMs: number
}

/** Answers what main asks about the connections of this worker. */
export class Inquiry {
  readonly #context: InquiryContext
  readonly #listings = new Map<number, Listing>()

  constructor(context: InquiryContext) {
    this.#context = context
  }

  answer(question: Question): ConnectionAnswer {
    switch (question.kind) {
      case 'list':
        return this.#page(question.listing, question.filter)
      case 'forget':
        this.#listings.delete(question.listing)
        return { kind: 'none' }
      case 'explain': {
        const { now } = this.#context
        const session = this.#find(question.which)
        if (session === null) return { kind: 'none' }
        const story = session.story()
        return { kind: 'explained', text: JSON.stringify(explanationOf(story, now())) }
      }
      case 'kill': {
        const session = this.#find(question.which)
        session?.kill('admin')
        return { kind: session === null ? 'none' : 'killed' }
      }
    }
  }

  /** Who comes after the listing has begun is not on it; who ends before its page comes neither. */
  #page(number: number, filter: ConnectionFilter | null): ConnectionAnswer {
    const { now } = this.#context
    const nowMs = now()
    if (filter !== null) this.#begin(number, filter, nowMs)
    const listing = this.#listings.get(number)
    if (listing === undefined) return { kind: 'page', text: '', done: true }
    const texts: string[] = []
    for (const session of listing.sessions.splice(-pageSize)) {
      if (session.seat === -1) continue
      const view = session.view()
      if (fits(view, listing.filter, nowMs)) texts.push(JSON.stringify(connectionOf(view, nowMs)))
    }
    const done = listing.sessions.length === 0
    if (done) this.#listings.delete(number)
    return { kind: 'page', text: texts.join(',\n'), done }
  }

  #begin(number: number, filter: ConnectionFilter, nowMs: number): void {
    for (const [other, { sinceMs }] of this.#listings)
      if (nowMs - sinceMs > forgottenMs) this.#listings.delete(other)
    const sessions: Asked[] = []
    this.#context.live.visit((session) => sessions.push(session))
    this.#listings.set(number, { sessions, filter, sinceMs: nowMs })
  }

  #find(which: Which): Asked | null {
    let found: Asked | null = null
    this.#context.live.visit((session) => {
      const { number, foreignId } = session
      const isIt = 'number' in which ? foreignId === null && number === which.number : foreignId === which.id
      if (isIt) found = session
    })
    return found
  }
}
