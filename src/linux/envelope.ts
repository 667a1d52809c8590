import type { Block } from './block.ts'
import { MSG_CTRUNC, SCM_RIGHTS, SOL_SOCKET } from './constants.ts'

/**
 * struct msghdr of a 64-bit system: name and its length, iov and their number, control and its length, flags.
 */
const header = { size: 56, iovAt: 16, iovsAt: 24, controlAt: 32, controlLengthAt: 40, flagsAt: 48 } as const
/** struct cmsghdr: length (this header included), level, type; then the descriptors, four bytes each. */
const control = { headerSize: 16, levelAt: 8, typeAt: 12, size: 16 + 256 * 4 } as const
/** struct iovec: where, how much. */
const iovecSize = 16

/**
 * What sendmsg(2) and recvmsg(2) take: one span of bytes, and descriptors beside it. Serves one call after
 * the other.
 */
export interface Envelope {
  /**
   * For sending; returns the address of the header. At most as many descriptors as fit: the caller has
   * counted.
   */
  pack(address: number, length: number, descriptors: readonly number[]): number
  /** For receiving; returns the address of the header. */
  empty(address: number, length: number): number
  /** What the kernel has put in. */
  descriptors(): readonly number[]
  /** The kernel had more to say than there was room for. */
  truncated(): boolean
}

export function createEnvelope(block: (size: number) => Block): Envelope {
  const [message, beside, iovec] = [block(header.size), block(control.size), block(iovecSize)]
  const put = (to: Block, at: number, value: number): void => to.view.setBigUint64(at, BigInt(value), true)
  const fill = (bytesAt: number, length: number, controlLength: number): number => {
    put(iovec, 0, bytesAt)
    put(iovec, 8, length)
    put(message, header.iovAt, iovec.at(0, iovecSize))
    put(message, header.iovsAt, 1)
    put(message, header.controlAt, beside.at(0, controlLength))
    put(message, header.controlLengthAt, controlLength)
    return message.at(0, header.size)
  }
  return {
    pack(bytesAt, length, descriptors) {
      const size = control.headerSize + 4 * descriptors.length
      put(beside, 0, size)
      beside.view.setInt32(control.levelAt, SOL_SOCKET, true)
      beside.view.setInt32(control.typeAt, SCM_RIGHTS, true)
      for (const [i, n] of descriptors.entries()) beside.view.setInt32(control.headerSize + 4 * i, n, true)
      return fill(bytesAt, length, (size + 7) & ~7) // CMSG_SPACE
    },
    empty(bytesAt, length) {
      beside.bytes.fill(0)
      return fill(bytesAt, length, control.size)
    },
    descriptors() {
      const given = Number(message.view.getBigUint64(header.controlLengthAt, true))
      if (given < control.headerSize) return []
      const { view } = beside
      // Nobody asked for other kinds of control messages, so this is the only one.
      if (view.getInt32(control.levelAt, true) !== SOL_SOCKET) return []
      if (view.getInt32(control.typeAt, true) !== SCM_RIGHTS) return []
      const count = (Number(view.getBigUint64(0, true)) - control.headerSize) / 4
      return Array.from({ length: count }, (_, i) => view.getInt32(control.headerSize + 4 * i, true))
    },
    truncated: () => (message.view.getInt32(header.flagsAt, true) & MSG_CTRUNC) !== 0,
  }
}
