/** Random numbers that a seed repeats: mulberry32. 0 to 2^32 - 1. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

const telling = [0x00, 0x01, 0x03, 0x0a, 0x0d, 0x10, 0x16, 0x20, 0x21, 0x2e, 0x3a, 0x7f, 0x80, 0xff]

/** One to six changes of what somebody might send, of kinds that find mistakes in parsers: lengths, cuts, repetitions. */
export function mutate(seeds: readonly Uint8Array[], random: () => number): Buffer {
  const pick = <T>(things: readonly T[], instead: T): T => things[random() % things.length] ?? instead
  let bytes: Buffer = Buffer.from(pick(seeds, Buffer.alloc(0)))
  for (let changes = 1 + (random() % 6); changes > 0; changes--) {
    const at = bytes.length === 0 ? 0 : random() % bytes.length
    const count = random() % 40
    switch (random() % 9) {
      case 0:
        if (bytes.length > 0) bytes[at] = random()
        break
      case 1:
        if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << (random() % 8))
        break
      case 2:
        if (bytes.length > 0) bytes[at] = pick(telling, 0)
        break
      case 3: // a length, a little off
        if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) + (random() % 2 === 0 ? 1 : -1)
        break
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)])
        break
      case 5: {
        const extra = Uint8Array.from({ length: count }, () => random())
        bytes = Buffer.concat([bytes.subarray(0, at), extra, bytes.subarray(at)])
        break
      }
      case 6:
        bytes = Buffer.concat([bytes.subarray(0, at + count), bytes.subarray(at)])
        break
      case 7: {
        const other = pick(seeds, bytes)
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(random() % (other.length + 1))])
        break
      }
      case 8:
        bytes = bytes.subarray(0, random() % (bytes.length + 1))
        break
    }
    if (bytes.length > 40_000) bytes = bytes.subarray(0, 40_000)
  }
  return bytes
}
