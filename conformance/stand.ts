import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Endpoint } from './endpoint.ts'
import type { Peer } from './peer.ts'
import { Running } from './running.ts'
import type { Sockets } from './sockets.ts'
import { Turns } from './turns.ts'

/** A peer that runs, with a folder of its own. Whoever started it closes it. */
export class Stand {
  readonly running: Running
  readonly #folder: string

  /** It does not listen yet. */
  constructor(peer: Peer, sockets: Sockets, endpoints: readonly Endpoint[]) {
    this.#folder = mkdtempSync(join(tmpdir(), 'conformance-'))
    chmodSync(this.#folder, 0o755) // some change their user
    const reserved = sockets.reserve()
    sockets.libc.close(reserved.fd)
    this.running = new Running(peer, {
      folder: this.#folder,
      port: peer.mostEndpoints === 0 ? (endpoints[0]?.port ?? 0) : reserved.port,
      endpoints: endpoints.map(({ port }) => port),
      revision: 0,
    })
  }

  async close(): Promise<void> {
    await this.running.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** The same without waiting, for the end of our own process. */
  closeAtOnce(): void {
    this.running.killAtOnce()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/**
 * The peer before one endpoint that listens, for all cases that need no more than that: a start costs some of them a
 * second, on a busy machine several. A case that fails may leave something behind, and the next one gets a new stand.
 */
export class SharedStand {
  readonly #peer: Peer
  readonly #sockets: Sockets
  /** One start at a time, and one connection: who dials gets the connection that comes next. */
  readonly turns = new Turns()
  #current: { readonly stand: Stand; readonly endpoint: Endpoint } | null = null
  readonly #old: { readonly stand: Stand; readonly endpoint: Endpoint }[] = []

  constructor(peer: Peer, sockets: Sockets) {
    this.#peer = peer
    this.#sockets = sockets
  }

  /** Called inside a turn. */
  async get(): Promise<{ readonly running: Running; readonly endpoint: Endpoint }> {
    if (this.#current === null) {
      const endpoint = Endpoint.listening(this.#sockets)
      this.#current = { endpoint, stand: new Stand(this.#peer, this.#sockets, [endpoint]) }
      await this.#current.stand.running.listening()
    }
    const { stand, endpoint } = this.#current
    return { running: stand.running, endpoint }
  }

  /** Not used for another case; those that have it go on. */
  retire(): void {
    if (this.#current !== null) this.#old.push(this.#current)
    this.#current = null
  }

  async close(): Promise<void> {
    this.retire()
    for (const { stand, endpoint } of this.#old) {
      endpoint.close()
      await stand.close()
    }
  }

  closeAtOnce(): void {
    this.retire()
    for (const { stand } of this.#old) stand.closeAtOnce()
  }
}
