/** Someone who can be on one roster at a time. */
export interface Member {
  /** Its index in the roster; -1: on no roster. Only the roster writes it. */
  seat: number
}

/**
 * Who is there now, in no order. For what comes and goes with every connection a Set is the wrong thing: V8
 * links each table that a Set has outgrown to the next, so that one outgrown table in the old generation
 * keeps all later ones, and the members in them, alive until the next full collection. With two Sets half of
 * all sockets were promoted, and collecting took 10 % of a connection (bench/connections.ts).
 */
export class Roster<M extends Member> {
  readonly #members: M[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: M): void {
    member.seat = this.#members.push(member) - 1
  }

  /** Does nothing when `member` is not there. */
  remove(member: M): void {
    const { seat } = member
    if (seat === -1) return
    member.seat = -1
    const last = this.#members.pop()
    if (last === undefined || last === member) return
    this.#members[seat] = last
    last.seat = seat
  }

  /**
   * Visits everyone who stays, at least once; `see` may remove anyone, and add, but who is added may be left
   * out.
   */
  visit(see: (member: M) => void): void {
    for (let seat = this.#members.length - 1; seat >= 0; seat--) {
      // Backwards: the member that is moved into a freed place has been visited already
      const member = this.#members[seat]
      if (member !== undefined) see(member)
    }
  }
}
