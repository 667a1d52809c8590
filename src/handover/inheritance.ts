import type { InheritedSockets } from '../core/inherited.ts'

/** What a process has at its start, beside what it binds by itself. */
export interface Inheritance {
  readonly sockets: readonly InheritedSockets[]
  /** Ports of the process that this one takes over from: what is not among `sockets` may join them. */
  readonly beside: ReadonlySet<number>
  /** The process that had the ports died while it was asked: they may be taken for some more milliseconds. */
  readonly bereaved: boolean
  /** To be called when all listeners accept: resolves when the other process has let go, or is gone. Never rejects. */
  accepting(): Promise<void>
  /** This process has proven itself, or has a successor of its own: the other one need not wait any longer. */
  settle(): void
  /** Ends the conversation; the other process serves on, or again. The sockets are their owner's to close. */
  abandon(): void
}

/** A start from nothing. */
export const nothingInherited: Inheritance = {
  sockets: [],
  beside: new Set(),
  bereaved: false,
  async accepting() {},
  settle() {},
  abandon() {},
}

/** Where hand-overs are logged; a pino logger is one. */
export interface HandoverLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/** `8 listening sockets of 2 listeners`. */
export function countSockets(sockets: number, listeners: number): string {
  return `${count(sockets, 'listening socket')} of ${count(listeners, 'listener')}`
}

function count(n: number, what: string): string {
  return n === 1 ? `1 ${what}` : `${n} ${what}s`
}
