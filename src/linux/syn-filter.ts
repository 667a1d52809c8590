/** Codes of BPF instructions (linux/bpf_common.h). */
const loadByte = 0x30
const and = 0x54
const jumpIfEqual = 0x15
const end = 0x06

/** struct sock_filter: what it does, how far to jump when it is so and when it is not, and its number. */
const program: readonly (readonly [code: number, so: number, not: number, k: number])[] = [
  [loadByte, 0, 0, 13], // the flags: what a socket's filter sees begins with the TCP header
  [and, 0, 0, 0x02], // SYN
  [jumpIfEqual, 0, 1, 0],
  [end, 0, 0, 0xffff_ffff], // all of the segment
  [end, 0, 0, 0], // nothing of it
]

/** A filter for SO_ATTACH_FILTER that drops SYNs, eight bytes an instruction. */
export const synFilter = Buffer.alloc(8 * program.length)
for (const [i, [code, so, not, k]] of program.entries()) {
  synFilter.writeUInt16LE(code, 8 * i)
  synFilter.writeUInt8(so, 8 * i + 2)
  synFilter.writeUInt8(not, 8 * i + 3)
  synFilter.writeUInt32LE(k, 8 * i + 4)
}
