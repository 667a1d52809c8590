import { AF_INET } from '../../../src/linux/constants.ts'
import type { Fd } from '../../../src/linux/fd.ts'
import { type Libc, must } from '../../../src/linux/libc.ts'

/** A socket that is bound to a free port of 127.0.0.1, for a plane to listen on. */
export function boundSocket(libc: Libc): { readonly socket: Fd; readonly port: number } {
  const address = libc.block(28)
  address.view.setUint16(0, AF_INET, true)
  address.bytes.set([127, 0, 0, 1], 4)
  const socket = must('socket', libc.socket(4))
  must('bind', libc.bind(socket, address, 16))
  must('getsockname', libc.getsockname(socket, address))
  return { socket, port: address.view.getUint16(2) }
}
