/** The Castagnoli polynomial, bits reversed: RFC 4960 appendix B. node:zlib has only the other CRC-32. */
const polynomial = 0x82f63b78

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1
  return value >>> 0
})

/** CRC32C of `bytes` as they would be with four zeros at `zeroedAt`; -1: as they are. 0 to 2^32 - 1. */
export function crc32c(bytes: Uint8Array, zeroedAt: number): number {
  let crc = 0xffffffff
  for (let i = 0; i < bytes.length; i++) {
    const byte = zeroedAt >= 0 && i >= zeroedAt && i < zeroedAt + 4 ? 0 : (bytes[i] ?? 0)
    crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0)
  }
  return ~crc >>> 0
}
