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

/** The time of a case. Its turn to start a peer, and the start, are not part of it: a busy machine takes seconds for them. */
export interface Clock {
  stop(): void
  /** From the beginning. */
  start(): void
}

/** What one case stands on: endpoints, clients, and the shared peer or one of its own. All of it ends with close(). */
export class Ground {
  readonly peer: Peer
  readonly #sockets: Sockets
  readonly #shared: SharedStand
  readonly #clock: Clock
  readonly #endpoints: Endpoint[] = []
  readonly #wires: Wire[] = []
  #own: Stand | null = null

  constructor(peer: Peer, sockets: Sockets, shared: SharedStand, clock: Clock) {
    this.peer = peer
    this.#sockets = sockets
    this.#shared = shared
    this.#clock = clock
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
    this.#clock.stop()
    return this.#shared.turns.take(async () => {
      const stand = new Stand(this.peer, this.#sockets, endpoints)
      this.#own = stand
      await stand.running.listening()
      this.#clock.start()
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
    this.#clock.stop()
    return this.#shared.turns.take(async () => {
      const before = endpoint === undefined ? await this.#shared.get() : { running: this.running, endpoint }
      this.#clock.start()
      const client = await this.#served(before.running.port)
      const server = await before.endpoint.accept()
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
