import { Fault } from './case.ts'
import { Endpoint } from './endpoint.ts'
import type { Peer } from './peer.ts'
import type { Running } from './running.ts'
import type { Sockets } from './sockets.ts'
import { type SharedStand, Stand } from './stand.ts'
import { until } from './until.ts'
import { Wire } from './wire.ts'

/** Both ends of a connection. */
export interface Pair {
  readonly client: Wire
  readonly server: Wire
}

/** The side that does what a case is about, and the one that has to see it. */
export type Side = 'client' | 'server'

/** What one case stands on: endpoints, clients, and the shared peer or one of its own. All of it ends with close(). */
export class Ground {
  readonly peer: Peer
  readonly #sockets: Sockets
  readonly #shared: SharedStand
  /** Told when a peer listens: starting it is not the case's time. */
  readonly #started: () => void
  readonly #endpoints: Endpoint[] = []
  readonly #wires: Wire[] = []
  #own: Stand | null = null

  constructor(peer: Peer, sockets: Sockets, shared: SharedStand, started: () => void) {
    this.peer = peer
    this.#sockets = sockets
    this.#shared = shared
    this.#started = started
  }

  listening(): Endpoint {
    return this.#keep(Endpoint.listening(this.#sockets))
  }

  async silent(): Promise<Endpoint> {
    const endpoint = this.listening()
    await endpoint.silence()
    return endpoint
  }

  /** Starts a peer of the case's own before these. Once a case. */
  async start(...endpoints: readonly Endpoint[]): Promise<Running> {
    return this.#shared.turns.take(async () => {
      const stand = new Stand(this.peer, this.#sockets, endpoints)
      this.#own = stand
      await stand.running.listening()
      this.#started()
      return stand.running
    })
  }

  /** The peer of the case's own. Throws when it was not started. */
  get running(): Running {
    if (this.#own === null) throw new Error('the case has no peer of its own')
    return this.#own.running
  }

  /** Dials the case's own peer. Throws Fault when it is refused. */
  client(): Promise<Wire> {
    return this.#served(this.running.port)
  }

  async dial(port: number): Promise<Wire | 'refused'> {
    const fd = this.#sockets.dial(port)
    const state = await until(() => {
      const seen = this.#sockets.dialed(fd)
      return seen === 'under way' ? undefined : seen
    }, 'the client was not answered').catch((error: unknown) => {
      this.#sockets.libc.close(fd)
      throw error
    })
    if (state === 'refused') {
      this.#sockets.libc.close(fd)
      return 'refused'
    }
    const wire = new Wire('the client', this.#sockets, fd, state === 'reset')
    this.#wires.push(wire)
    return wire
  }

  /** A connection through the shared peer, or through the case's own before `endpoint`. */
  pair(endpoint?: Endpoint): Promise<Pair> {
    return this.#shared.turns.take(async () => {
      if (endpoint !== undefined) return { client: await this.client(), server: await endpoint.accept() }
      const shared = await this.#shared.get()
      this.#started()
      const client = await this.#served(shared.stand.running.port)
      const server = await shared.endpoint.accept()
      this.#wires.push(server)
      return { client, server }
    })
  }

  /** The same, as who does something and who has to see it. */
  async ends(from: Side): Promise<{ readonly from: Wire; readonly to: Wire }> {
    const { client, server } = await this.pair()
    return from === 'client' ? { from: client, to: server } : { from: server, to: client }
  }

  /** A connection without a peer, to compare with. */
  async direct(): Promise<Pair> {
    const endpoint = this.listening()
    const client = await this.dial(endpoint.port)
    if (client === 'refused') throw new Error('our own endpoint refuses')
    return { client, server: await endpoint.accept() }
  }

  /** Resolves when nothing of the case is left. */
  async close(): Promise<void> {
    for (const wire of this.#wires) wire.close()
    for (const endpoint of this.#endpoints) endpoint.close()
    await this.#own?.close()
  }

  /** The same without waiting, for the end of our own process. */
  closeAtOnce(): void {
    this.#own?.closeAtOnce()
  }

  async #served(port: number): Promise<Wire> {
    const wire = await this.dial(port)
    if (wire === 'refused') throw new Fault('the client was refused')
    return wire
  }

  #keep(endpoint: Endpoint): Endpoint {
    this.#endpoints.push(endpoint)
    return endpoint
  }
}
