import type { Buffers } from './buffers.ts'

/**
 * Reads up to this size are copied out of the scratch buffer; larger ones earn the direction a buffer of its
 * own.
 */
const smallRead = 8 * 1024

/**
 * Takes chunks. `chunk` is untouched until data() returns true or reading is resumed. false: stop reading.
 */
export interface ChunkConsumer {
  data(chunk: Buffer): boolean
}

/** The reading half of a socket: which buffer the next read fills, and who gets the bytes. */
export class Reader<C extends ChunkConsumer> {
  consumer: C
  readonly #buffers: Buffers
  #own: Buffer | null = null

  constructor(buffers: Buffers, consumer: C) {
    this.#buffers = buffers
    this.consumer = consumer
  }

  /** The `onread` option of net.Socket: Node asks for a buffer after each read that returned true. */
  get onread(): { buffer: () => Buffer; callback: (count: number, buffer: Uint8Array) => boolean } {
    return {
      buffer: () => this.#own ?? this.#buffers.scratch,
      callback: (count, buffer) => this.#read(count, buffer),
    }
  }

  /** The socket is closed: the borrowed buffer goes back. */
  close(): void {
    if (this.#own !== null) this.#buffers.give(this.#own)
    this.#own = null
  }

  #read(count: number, buffer: Uint8Array): boolean {
    const goOn = this.consumer.data(this.#claim(count, buffer))
    // Invariant: the buffer is given back only when nobody holds the chunk and the next read goes elsewhere.
    if (goOn && count <= smallRead && this.#own !== null) this.close()
    return goOn
  }

  #claim(count: number, buffer: Uint8Array): Buffer {
    const view = Buffer.from(buffer.buffer, buffer.byteOffset, count)
    if (buffer !== this.#buffers.scratch) return view
    if (count <= smallRead) return Buffer.from(view)
    this.#own = this.#buffers.take()
    view.copy(this.#own)
    return this.#own.subarray(0, count)
  }
}
