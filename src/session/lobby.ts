import { add, type Tally, workerCell } from '../core/tally.ts'

/** A connection of which it is not known yet who it is or where it goes. */
export interface Guest {
  /** Others need its place: it ends now, and leaves. */
  giveWay(): void
}

/**
 * The connections of this worker that have yet to say who they are or where they go: they may be at most so
 * many, over all workers, that those who say nothing never fill the program. n workers together may exceed
 * that by n - 1.
 */
export class Lobby {
  readonly #tally: Tally
  readonly #row: Float64Array
  /** In the order of their coming. */
  readonly #guests = new Set<Guest>()

  constructor(tally: Tally, row: Float64Array) {
    this.#tally = tally
    this.#row = row
  }

  /** With no place left, the one that has been here longest gives way. */
  enter(guest: Guest, most: number): void {
    if (this.#tally.sum(workerCell.prefaces) >= most) {
      const [oldest] = this.#guests
      oldest?.giveWay()
    }
    this.#guests.add(guest)
    add(this.#row, workerCell.prefaces, 1)
  }

  /** Does nothing for one that has left. */
  leave(guest: Guest): void {
    if (this.#guests.delete(guest)) add(this.#row, workerCell.prefaces, -1)
  }
}
