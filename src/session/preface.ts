import type { Refusal } from '../core/outcome.ts'
import { route } from '../core/route.ts'
import { wireWord } from '../core/wire-word.ts'
import { durationText } from '../core/wording.ts'
import type { Cancel, Wire } from '../plane/plane.ts'
import { readClientHello } from '../protocol/client-hello.ts'
import type { ProxyHeader } from '../protocol/proxy-found.ts'
import { readProxy } from '../protocol/proxy-read.ts'
import { alpnOf, authorityOf } from '../protocol/proxy-tlv.ts'
import type { Entrance, Route, SessionContext } from './context.ts'
import type { Guest } from './lobby.ts'

/**
 * How often the bytes of one connection are looked at. Each look comes with all that was known to be missing,
 * so a header takes three and a hello two, and in single bytes a few more.
 */
const maxLooks = 32

/** Whose preface it is. Told once of how it ends: routed(), refused() or left(). */
export interface PrefaceOwner {
  /** The header has been read and taken off. False: the connection is over. */
  named(header: ProxyHeader): boolean
  /** `serverName`: null when it has not said one. */
  routed(route: Route, serverName: string | null): void
  /** `detail`: what was wrong, fit for a terminal. */
  refused(reason: Refusal, detail: string): void
  /** The client has ended, and has not said a word of its own. */
  left(): void
}

/**
 * What a connection says before it is known who it is and where it goes: a PROXY header if its peer has to
 * send one, then what routes look at. No endpoint hears of it before it is complete. Bounded in bytes by what
 * its readers take (16 KiB each), in time, in looks, and in number by the lobby.
 */
export class Preface<W extends Wire> implements Guest {
  readonly #context: SessionContext<W>
  readonly #entrance: Entrance
  readonly #wire: W
  readonly #owner: PrefaceOwner
  #step: 'header' | 'hello'
  #looks = 0
  #hasBytes = false
  #isOver = false
  #cancelPeek: Cancel = nothing
  #cancelTimer: Cancel = nothing

  constructor(
    context: SessionContext<W>,
    entrance: Entrance,
    wire: W,
    owner: PrefaceOwner,
    first: 'header' | 'hello',
  ) {
    this.#context = context
    this.#entrance = entrance
    this.#wire = wire
    this.#owner = owner
    this.#step = first
  }

  /** Bytes have been seen. */
  get hasBytes(): boolean {
    return this.#hasBytes
  }

  begin(): void {
    const { maxConnections } = this.#entrance.snapshot
    this.#context.lobby.enter(this, Math.max(1, Math.floor(maxConnections / 4)))
    this.#enter(this.#step)
  }

  /** Nobody is told of anything any more. */
  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#cancelPeek()
    this.#cancelTimer()
    this.#context.lobby.leave(this)
  }

  giveWay(): void {
    this.#refuse('preface', 'others needed its place')
  }

  #enter(step: 'header' | 'hello'): void {
    const { headerMs, prefaceMs } = this.#entrance.listener
    this.#step = step
    this.#cancelTimer()
    this.#cancelTimer = this.#context.plane.after(step === 'header' ? headerMs : prefaceMs, () =>
      this.#late(),
    )
    this.#look(1)
  }

  #look(least: number): void {
    this.#looks++
    if (this.#looks > maxLooks) this.#giveUp(`not complete after ${maxLooks} looks`)
    else this.#cancelPeek = this.#wire.peek(least, (bytes, ended) => this.#seen(bytes, ended))
  }

  #seen(bytes: Uint8Array, ended: boolean): void {
    if (this.#isOver) return
    if (bytes.length > 0) this.#hasBytes = true
    else if (ended) {
      this.#leave()
      return
    }
    if (this.#step === 'header') this.#readHeader(bytes, ended)
    else this.#readHello(bytes, ended)
  }

  #readHeader(bytes: Uint8Array, ended: boolean): void {
    const read = readProxy(bytes)
    switch (read.kind) {
      case 'found': {
        const isAll = ended && bytes.length === read.length
        this.#wire.discard(read.length)
        if (!this.#owner.named(read)) return
        // A balancer that asks whether somebody is here says so in a header of its own, and ends.
        if (isAll && read.command === 'local') this.#leave()
        else this.#afterHeader(read)
        return
      }
      case 'incomplete':
        if (ended) this.#refuse('proxy-header', 'the PROXY header is cut short')
        else this.#look(read.needs)
        return
      case 'notThis':
        this.#refuse('proxy-header', 'no PROXY header')
        return
      case 'malformed':
        this.#refuse('proxy-header', `a malformed PROXY header (${read.reason})`)
        return
    }
  }

  /** A balancer that has opened TLS says what was asked for; what follows may be no TLS then. */
  #afterHeader({ tlvs }: ProxyHeader): void {
    if (this.#entrance.listener.routes === null) {
      this.#goToRest(null)
      return
    }
    const name = authorityOf(tlvs)
    const alpn = alpnOf(tlvs)
    if (name === null && alpn.length === 0) this.#enter('hello')
    else this.#goByName(name, alpn)
  }

  #readHello(bytes: Uint8Array, ended: boolean): void {
    const read = readClientHello(bytes)
    switch (read.kind) {
      case 'found':
        this.#goByName(read.serverName, read.alpn)
        return
      case 'notTls':
        this.#goToRest(null)
        return
      case 'incomplete':
        if (ended) this.#goToRest(null)
        else this.#look(read.needs)
        return
    }
  }

  #goByName(serverName: string | null, alpn: readonly string[]): void {
    const { listener, routes } = this.#entrance
    const pool = listener.routes === null ? null : route(listener.routes, serverName, alpn)
    const target = pool === null ? undefined : routes.get(pool)
    if (target === undefined) this.#goToRest(serverName)
    else this.#go(target, serverName)
  }

  #goToRest(serverName: string | null): void {
    const { rest } = this.#entrance
    if (rest !== null) this.#go(rest, serverName)
    else
      this.#refuse('no-route', serverName === null ? 'no server name' : `server name ${wireWord(serverName)}`)
  }

  #go(target: Route, serverName: string | null): void {
    this.cancel()
    this.#owner.routed(target, serverName)
  }

  #late(): void {
    const { headerMs, prefaceMs } = this.#entrance.listener
    this.#giveUp(`not complete within ${durationText(this.#step === 'header' ? headerMs : prefaceMs)}`)
  }

  /** Of a client that says nothing the server may be the one that speaks first. */
  #giveUp(why: string): void {
    if (this.#step === 'header') this.#refuse('preface', `the PROXY header was ${why}`)
    else this.#goToRest(null)
  }

  #refuse(reason: Refusal, detail: string): void {
    this.cancel()
    this.#owner.refused(reason, detail)
  }

  #leave(): void {
    this.cancel()
    this.#owner.left()
  }
}

const nothing = (): void => {}
