/**
 * Memory that the kernel may read and write by address. Whoever holds the Block holds the memory: it must be
 * referenced as long as a call may use it (a sockaddr that was collected broke every later connect).
 */
export class Block {
  readonly bytes: Buffer
  readonly view: DataView
  readonly size: number
  readonly #address: number

  /** `address`: where `bytes` is; it never moves, because it is an allocation of its own. */
  constructor(bytes: Buffer, address: number) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.size = bytes.length
    this.#address = address
  }

  /** The address of `length` bytes at `offset`; throws RangeError when they are not all inside. */
  at(offset: number, length: number): number {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw new RangeError(`${length} bytes at ${offset} of a block of ${this.size}`)
    }
    return this.#address + offset
  }
}
