import { AF_INET, MSG_NOSIGNAL, SO_ERROR, SOL_SOCKET } from '../../linux/constants.ts'
import { EAGAIN, EINPROGRESS, errnoName } from '../../linux/errno.ts'
import type { Fd } from '../../linux/fd.ts'
import type { Libc } from '../../linux/libc.ts'
import { sockaddrSize, writeSockaddr } from '../../linux/sockaddr.ts'

/** Loopback answers at once; a kernel that needs more attempts is not to be trusted with traffic. */
const looks = 1_000
const loopback = { family: 4, bytes: Uint8Array.of(127, 0, 0, 1), port: 0 } as const

/**
 * Sends bytes through every call that this plane lives on, over a loopback pair: sockets, a pipe and
 * splice(2). Null when they arrive; otherwise what did not work (a seccomp filter, a sandboxed kernel).
 * Blocks for less than a millisecond.
 */
export function selfTest(libc: Libc): string | null {
  const open: Fd[] = []
  try {
    return passBytes(libc, open)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    for (const fd of open) libc.close(fd)
  }
}

function passBytes(libc: Libc, open: Fd[]): string | null {
  const keep = (what: string, value: Fd | number): Fd => {
    if (typeof value === 'number') throw new Error(`${what}: ${errnoName(value)}`)
    open.push(value)
    return value
  }
  const check = (what: string, value: number): number => {
    if (value < 0) throw new Error(`${what}: ${errnoName(value)}`)
    return value
  }
  const retry = (what: string, call: () => number): number => {
    for (let i = 0; i < looks; i++) {
      const value = call()
      if (value !== EAGAIN) return check(what, value)
    }
    throw new Error(`${what}: nothing happened`)
  }
  const address = libc.block(sockaddrSize)
  const listening = keep('socket', libc.socket(4))
  check('bind', libc.bind(listening, address, writeSockaddr(address, loopback)))
  check('listen', libc.listen(listening, 1))
  check('getsockname', libc.getsockname(listening, address))
  if (address.view.getUint16(0, true) !== AF_INET) return 'getsockname: no address'
  const client = keep('socket', libc.socket(4))
  const connected = libc.connect(client, address, 16)
  if (connected !== EINPROGRESS) check('connect', connected)
  let server: Fd | number = EAGAIN
  for (let i = 0; i < looks && server === EAGAIN; i++) server = libc.accept(listening, address)
  const accepted = keep('accept4', server)
  check('SO_ERROR', -libc.getOption(client, SOL_SOCKET, SO_ERROR))

  const pipe = libc.pipe()
  if (typeof pipe === 'number') return `pipe2: ${errnoName(pipe)}`
  open.push(pipe.read, pipe.write)
  const words = Buffer.from('spliceway')
  const block = libc.block(64)
  block.bytes.set(words)
  retry('send', () => libc.send(client, block, 0, words.length, MSG_NOSIGNAL))
  retry('splice to a pipe', () => libc.splice(accepted, pipe.write, words.length))
  retry('splice to a socket', () => libc.splice(pipe.read, accepted, words.length))
  block.bytes.fill(0)
  const count = retry('recv', () => libc.recv(client, block, 0, 64, 0))
  return block.bytes.subarray(0, count).equals(words) ? null : 'the bytes that came back are others'
}
