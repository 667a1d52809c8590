import type { InheritedSockets } from '../core/inherited.ts'
import type { Fd } from '../linux/fd.ts'
import type { DrainedEndpoint } from './message.ts'
import type { Fate } from './probation.ts'

/** What a process has at its start apart from what it binds by itself. */
export interface Inheritance {
  readonly sockets: readonly InheritedSockets[]
  /**
   * The ports belong to the process that this one takes over from: listeners that are not among `sockets` may
   * join them.
   */
  readonly beside: ReadonlySet<number>
  /**
   * The listening socket of the name at which successors call, to be closed by whoever gets it; null: it is
   * free.
   */
  readonly name: Fd | null
  /** Admin listeners of this process that the other one has open. */
  readonly doors: readonly string[]
  /** Endpoints that were drained by hand in the other process. */
  readonly drained: readonly DrainedEndpoint[]
  /** The process that had the ports died while it was asked: they may be taken for some more milliseconds. */
  readonly bereaved: boolean
  /**
   * To be called when all listeners accept, those of `keys` from what was handed over: resolves to null when
   * the other process has let go, or is gone; otherwise to why it serves on, and this process has to go.
   * Never rejects.
   */
  accepting(keys: readonly string[]): Promise<string | null>
  /** After accepting(): resolves when it is decided whether this process stays. */
  fate(): Promise<Fate>
  /** Ends the conversation; the other process serves on, or again. The sockets are their owner's to close. */
  abandon(): void
}

/** A start with nothing inherited. */
export const nothingInherited: Inheritance = {
  sockets: [],
  beside: new Set(),
  name: null,
  doors: [],
  drained: [],
  bereaved: false,
  accepting: async () => null,
  fate: async () => ({ kind: 'settled', channel: null }),
  abandon() {},
}

/** `8 listening sockets of 2 listeners`. */
export function countSockets(sockets: number, listeners: number): string {
  return `${count(sockets, 'listening socket')} of ${count(listeners, 'listener')}`
}

function count(n: number, what: string): string {
  return n === 1 ? `1 ${what}` : `${n} ${what}s`
}
