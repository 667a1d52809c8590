import { AF_UNIX } from './constants.ts'
import type { Libc } from './libc.ts'

/** linux/sock_diag.h and linux/unix_diag.h */
const SOCK_DIAG_BY_FAMILY = 20
const NLM_F_REQUEST = 1
const UDIAG_SHOW_PEER = 4
const UNIX_DIAG_PEER = 2
/** struct nlmsghdr, and after it struct unix_diag_req, or struct unix_diag_msg before the attributes. */
const headerSize = 16
const requestSize = 24
const messageSize = 16
/** One message with one attribute. */
const answerSize = 512

/**
 * The inode of the socket at the other end of a connected UNIX socket, whose own inode is `inode` (fstat of
 * it). An inode of a socket is the same for whoever looks, in whatever namespace, so both ends can name their
 * connection by the pair, and nobody between them has the same one. null: the kernel does not tell.
 */
export function unixPeerInode(libc: Libc, inode: number): number | null {
  const question = libc.block(headerSize + requestSize)
  const { view } = question
  view.setUint32(0, question.size, true) // nlmsg_len
  view.setUint16(4, SOCK_DIAG_BY_FAMILY, true)
  view.setUint16(6, NLM_F_REQUEST, true)
  view.setUint8(headerSize, AF_UNIX) // sdiag_family
  view.setUint32(headerSize + 4, 0xffffffff, true) // udiag_states: any
  view.setUint32(headerSize + 8, inode, true)
  view.setUint32(headerSize + 12, UDIAG_SHOW_PEER, true)
  view.setUint32(headerSize + 16, 0xffffffff, true) // udiag_cookie: not known
  view.setUint32(headerSize + 20, 0xffffffff, true)
  const answer = libc.block(answerSize)
  const length = libc.diagnose(question, answer)
  if (length < headerSize + messageSize) return null
  return peerOf(answer.view, Math.min(length, answer.view.getUint32(0, true)))
}

function peerOf(view: DataView, length: number): number | null {
  if (view.getUint16(4, true) !== SOCK_DIAG_BY_FAMILY) return null // an error
  for (let at = headerSize + messageSize; at + 8 <= length; ) {
    const size = view.getUint16(at, true)
    if (view.getUint16(at + 2, true) === UNIX_DIAG_PEER) return view.getUint32(at + 4, true)
    if (size < 4) return null
    at += (size + 3) & ~3
  }
  return null
}
