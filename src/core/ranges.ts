import type { SocketAddress } from './address.ts'
import type { Cidr } from './cidr.ts'

/**
 * Addresses as sorted ranges that do not touch, of each family in one array: the first address of every
 * range, then the last one of every range, big-endian words of 32 bits. In shared memory, and never written
 * again: a snapshot that is published ten times a second to four threads carries no copy of a list of
 * 100,000.
 */
export interface Ranges {
  readonly v4: Uint32Array
  readonly v6: Uint32Array
}

type Family = 4 | 6
type Words = 1 | 4

const wordsOf = (family: Family): Words => (family === 4 ? 1 : 4)

/** Takes overlapping and touching ranges together; the order does not matter. n log n. */
export function compileRanges(list: readonly Cidr[]): Ranges {
  return { v4: compileFamily(list, 4), v6: compileFamily(list, 6) }
}

/**
 * Whether the address is in one of the ranges: a binary search. v4-mapped addresses have to be IPv4 by now.
 */
export function covers(ranges: Ranges, address: Pick<SocketAddress, 'family' | 'bytes'>): boolean {
  const words = wordsOf(address.family)
  const table = address.family === 4 ? ranges.v4 : ranges.v6
  const half = table.length / 2
  let low = 0
  let high = half / words
  // Invariant: ranges before `low` begin at or before the address, ranges from `high` on behind it.
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareTo(table, middle * words, address.bytes, words) <= 0) low = middle + 1
    else high = middle
  }
  return low > 0 && compareTo(table, half + (low - 1) * words, address.bytes, words) >= 0
}

/** Ranges of both families that are left once they are taken together. */
export function rangeCount({ v4, v6 }: Ranges): number {
  return v4.length / 2 + v6.length / 8
}

function compileFamily(list: readonly Cidr[], family: Family): Uint32Array {
  const words = wordsOf(family)
  const members = list.filter((cidr) => cidr.family === family)
  const starts = new Uint32Array(members.length * words)
  const ends = new Uint32Array(members.length * words)
  members.forEach((cidr, i) => {
    writeBounds(cidr, starts, ends, i * words, words)
  })
  const order = Uint32Array.from(members, (_, i) => i)
  order.sort((a, b) => compare(starts, a * words, starts, b * words, words))
  return merge(starts, ends, order, words)
}

function writeBounds(
  { bytes, prefix }: Cidr,
  starts: Uint32Array,
  ends: Uint32Array,
  at: number,
  words: Words,
): void {
  for (let word = 0; word < words; word++) {
    const value = wordAt(bytes, 4 * word)
    const kept = Math.max(0, Math.min(32, prefix - 32 * word))
    const mask = kept === 0 ? 0 : (0xffffffff << (32 - kept)) >>> 0
    starts[at + word] = value & mask
    ends[at + word] = value | ~mask
  }
}

/** `order`: places of the ranges, sorted by where they begin. */
function merge(starts: Uint32Array, ends: Uint32Array, order: Uint32Array, words: Words): Uint32Array {
  let count = 0
  const [firsts, lasts] = [new Uint32Array(starts.length), new Uint32Array(ends.length)]
  for (const place of order) {
    const at = place * words
    const last = (count - 1) * words
    if (count > 0 && !isApart(lasts, last, starts, at, words)) {
      if (compare(ends, at, lasts, last, words) > 0) copyWords(ends, at, lasts, last, words)
      continue
    }
    copyWords(starts, at, firsts, count * words, words)
    copyWords(ends, at, lasts, count * words, words)
    count++
  }
  const used = count * words
  const table = new Uint32Array(new SharedArrayBuffer(2 * used * Uint32Array.BYTES_PER_ELEMENT))
  table.set(firsts.subarray(0, used), 0)
  table.set(lasts.subarray(0, used), used)
  return table
}

/**
 * Whether there is an address between the end of one range and the start of another that begins no earlier.
 */
function isApart(
  lasts: Uint32Array,
  last: number,
  starts: Uint32Array,
  start: number,
  words: Words,
): boolean {
  if (compare(starts, start, lasts, last, words) <= 0) return false
  let carry = 1
  for (let word = words - 1; word >= 0; word--) {
    const next = (lasts[last + word] ?? 0) + carry
    if (next % 2 ** 32 !== starts[start + word]) return true
    carry = next >= 2 ** 32 ? 1 : 0
  }
  return false
}

function copyWords(from: Uint32Array, fromAt: number, to: Uint32Array, toAt: number, words: Words): void {
  for (let word = 0; word < words; word++) to[toAt + word] = from[fromAt + word] ?? 0
}

function compare(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number, words: Words): number {
  for (let word = 0; word < words; word++) {
    const difference = (a[aAt + word] ?? 0) - (b[bAt + word] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function compareTo(table: Uint32Array, at: number, bytes: Uint8Array, words: Words): number {
  for (let word = 0; word < words; word++) {
    const difference = (table[at + word] ?? 0) - wordAt(bytes, 4 * word)
    if (difference !== 0) return difference
  }
  return 0
}

function wordAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  return ((high << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
}
