import { dialPeer, type Peer } from '../helpers/peer.ts'

/** Connections that stay open, to an echo behind the forwarder. */
export class LongLived {
  readonly #peers: readonly Peer[]

  private constructor(peers: readonly Peer[]) {
    this.#peers = peers
  }

  /** Resolves when each has been answered once. */
  static async open(count: number, port: number): Promise<LongLived> {
    const all = new LongLived(await Promise.all(Array.from({ length: count }, () => dialPeer(port))))
    await all.ask()
    return all
  }

  /** Rejects when one of them has ended. */
  async ask(): Promise<void> {
    await Promise.all(
      this.#peers.map(async (peer) => {
        await peer.write('still?')
        await peer.read(6)
      }),
    )
  }

  /** How many have ended. */
  get ended(): number {
    return this.#peers.filter(({ ending }) => ending !== null).length
  }

  /** Ends them properly, and resolves when the other side has too: rejects when one of them is reset. */
  async close(): Promise<void> {
    for (const peer of this.#peers) peer.end()
    const endings = await Promise.all(this.#peers.map((peer) => peer.ended()))
    const resets = endings.filter((ending) => ending === 'rst').length
    if (resets > 0) throw new Error(`${resets} of ${endings.length} long-lived connections were reset`)
  }
}
