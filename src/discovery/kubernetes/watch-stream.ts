import { ShapeError } from './received.ts'

/**
 * An object in etcd has at most 1.5 MiB by default; as JSON with its event around it, it stays below five
 * times that.
 */
const maxLineBytes = 8 * 1024 * 1024

const newline = 0x0a

/**
 * Cuts the stream of a watch into lines. It cuts bytes and decodes whole lines: a chunk may end in the middle
 * of a character. Empty lines are skipped.
 */
export class Lines {
  #rest: Uint8Array[] = []
  #restBytes = 0

  /** Bytes came after the last newline: at the end of a stream, half an event. */
  get unfinished(): boolean {
    return this.#restBytes > 0
  }

  /** The lines that this chunk completes, without their newlines. Throws ShapeError when one does not end. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = []
    let from = 0
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
      const line = this.#take(chunk.subarray(from, at))
      if (line !== '') lines.push(line)
      from = at + 1
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from))
    return lines
  }

  #take(last: Uint8Array): string {
    const line = Buffer.concat([...this.#rest, last]).toString('utf8')
    this.#rest = []
    this.#restBytes = 0
    return line
  }

  #keep(bytes: Uint8Array): void {
    this.#rest.push(bytes)
    this.#restBytes += bytes.length
    if (this.#restBytes > maxLineBytes) throw new ShapeError('a line of the watch is longer than 8 MiB')
  }
}
