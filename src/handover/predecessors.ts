import { connect, type Socket } from 'node:net'
import type { PredecessorStatus } from '../core/status.ts'
import type { Libc } from '../linux/libc.ts'
import { credentialsOf, isTrusted } from './peer.ts'

/** A line is some hundred bytes. */
const mostBytes = 4_096
/** As many processes as may drain beside each other before this view is not worth its descriptors. */
const most = 16

interface Heard extends Omit<PredecessorStatus, 'heardMsAgo'> {
  readonly atMs: number
}

/**
 * The processes before this one that still carry connections, as they told it last (remains.ts). One that
 * hangs is silent, and shown so; one that ends is gone. Nothing here waits for any of them.
 */
export class Predecessors {
  readonly #libc: Libc | null
  readonly #uid: number
  readonly #nowMs: () => number
  readonly #sockets = new Map<string, Socket>()
  readonly #heard = new Map<string, Heard>()
  #closed = false

  constructor({ libc, uid, nowMs }: { libc: Libc | null; uid: number; nowMs: () => number }) {
    this.#libc = libc
    this.#uid = uid
    this.#nowMs = nowMs
  }

  /** Listens to those that wait at these abstract names. */
  watch(names: readonly string[]): void {
    for (const name of names) {
      if (this.#closed || this.#sockets.size >= most || this.#sockets.has(name)) continue
      const socket = connect(`\0${name}`)
      this.#sockets.set(name, socket)
      socket.unref()
      socket.once('connect', () => {
        if (!this.#trusted(socket)) socket.destroy()
      })
      let text = ''
      socket.setEncoding('utf8').on('data', (more: string) => {
        const lines = (text + more).split('\n')
        text = lines.pop() ?? ''
        const last = lines.at(-1)
        if (last !== undefined) this.#hear(name, last)
        if (text.length > mostBytes) socket.destroy()
      })
      socket.on('error', () => {}) // it closes: nobody is there any more
      socket.on('close', () => {
        this.#sockets.delete(name)
        this.#heard.delete(name)
      })
    }
  }

  /** Where they tell: for the next process. */
  names(): readonly string[] {
    return [...this.#sockets.keys()]
  }

  status(): readonly PredecessorStatus[] {
    const nowMs = this.#nowMs()
    return [...this.#heard.values()].map(({ atMs, endsInMs, ...each }) => {
      const heardMsAgo = nowMs - atMs
      return { ...each, endsInMs: endsInMs === null ? null : Math.max(0, endsInMs - heardMsAgo), heardMsAgo }
    })
  }

  close(): void {
    this.#closed = true
    for (const socket of this.#sockets.values()) socket.destroy()
  }

  #trusted(socket: Socket): boolean {
    if (this.#libc === null) return true
    const peer = credentialsOf(this.#libc, socket)
    return typeof peer === 'object' && isTrusted(peer, this.#uid)
  }

  #hear(name: string, line: string): void {
    const heard = parse(line)
    if (heard !== undefined) this.#heard.set(name, { ...heard, atMs: this.#nowMs() })
  }
}

/** undefined: not what such a process says. */
function parse(line: string): Omit<Heard, 'atMs'> | undefined {
  try {
    const given: unknown = JSON.parse(line)
    if (typeof given !== 'object' || given === null) return undefined
    const { pid, program, connections, endsInMs }: Readonly<Record<string, unknown>> = { ...given }
    if (!isCount(pid) || typeof program !== 'string' || !isCount(connections)) return undefined
    if (endsInMs !== null && typeof endsInMs !== 'number') return undefined
    return { pid, version: program, connections, endsInMs }
  } catch {
    return undefined
  }
}

function isCount(given: unknown): given is number {
  return typeof given === 'number' && Number.isInteger(given) && given >= 0
}
