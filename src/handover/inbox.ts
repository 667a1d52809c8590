import type { Fd } from '../linux/fd.ts'
import { decode, type Message } from './message.ts'

/** What has come and was not read yet: bytes, and the descriptors that came beside them, both in order. */
export class Inbox {
  readonly #discard: (descriptor: Fd) => void
  #bytes: Buffer = Buffer.alloc(0)
  #descriptors: Fd[] = []

  constructor(discard: (descriptor: Fd) => void) {
    this.#discard = discard
  }

  /** Copies `bytes`. */
  put(bytes: Buffer, descriptors: readonly Fd[]): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    this.#descriptors.push(...descriptors)
  }

  /** The next message with its descriptors; null: it is not all here. A message is taken once. */
  next():
    | { readonly kind: 'message'; readonly message: Message; readonly descriptors: readonly Fd[] }
    | { readonly kind: 'unreadable'; readonly reason: string }
    | null {
    const decoded = decode(this.#bytes)
    if (decoded.kind === 'incomplete') return null
    if (decoded.kind === 'unreadable') return decoded
    const { message, bytes } = decoded
    const count = descriptorsOf(message)
    // Descriptors come with the first byte of their message, so with the last byte they are all here.
    if (this.#descriptors.length < count) {
      return { kind: 'unreadable', reason: `${this.#descriptors.length} descriptors instead of ${count}` }
    }
    this.#bytes = this.#bytes.subarray(bytes)
    return { kind: 'message', message, descriptors: this.#descriptors.splice(0, count) }
  }

  /** Closes the descriptors that nobody has taken. */
  close(): void {
    for (const descriptor of this.#descriptors.splice(0)) this.#discard(descriptor)
  }
}

function descriptorsOf(message: Message): number {
  if (message.kind === 'sessions') return 1
  if (message.kind !== 'sockets') return 0
  return message.listeners.reduce((sum, { descriptors }) => sum + descriptors, message.name ? 1 : 0)
}
