/**
 * MurmurHash3, the x86 32-bit variant: 0 to 2^32 - 1, equal for equal bytes and seed on every machine. Well
 * mixed for neighbouring addresses, but no secret: whoever chooses the bytes can choose the hash.
 */
export function hash32(bytes: Uint8Array, seed: number): number {
  const whole = bytes.length & ~3
  let hash = seed | 0
  for (let i = 0; i < whole; i += 4) {
    hash ^= scramble(littleEndian(bytes, i, 4))
    hash = Math.imul(rotateLeft(hash, 13), 5) + 0xe6546b64
  }
  if (whole < bytes.length) hash ^= scramble(littleEndian(bytes, whole, bytes.length - whole))
  hash ^= bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function scramble(word: number): number {
  return Math.imul(rotateLeft(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593)
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

function littleEndian(bytes: Uint8Array, at: number, count: number): number {
  let word = 0
  for (let i = count - 1; i >= 0; i--) word = (word << 8) | (bytes[at + i] ?? 0)
  return word
}
