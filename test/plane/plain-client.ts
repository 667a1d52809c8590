import { setTimeout as sleep } from 'node:timers/promises'
import { socketAddress } from '../../src/core/address.ts'
import { SO_ERROR, SOL_SOCKET } from '../../src/linux/constants.ts'
import { EAGAIN, EINPROGRESS, errnoName } from '../../src/linux/errno.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { sockaddrSize, writeSockaddr } from '../../src/linux/sockaddr.ts'
import type { Ending } from '../helpers/peer.ts'

/**
 * Connects to a port of 127.0.0.1 and reads to the end by system calls alone: Node's connect fails, and drops what came, when
 * the reset is here before it looks. Rejects when the connection is refused or lasts longer than 10 s.
 */
export async function readByCalls(port: number): Promise<{ bytes: Buffer; ending: Ending }> {
  const loaded = loadLibc()
  const address = socketAddress('127.0.0.1', port)
  if (loaded.kind === 'missing' || address === undefined) throw new Error('no libc')
  const { libc } = loaded
  const fd = libc.socket(4)
  if (typeof fd === 'number') throw new Error(errnoName(fd))
  const block = libc.block(64 * 1024)
  const chunks: Buffer[] = []
  const deadline = performance.now() + 10_000
  try {
    const name = libc.block(sockaddrSize)
    const connected = libc.connect(fd, name, writeSockaddr(name, address))
    if (connected < 0 && connected !== EINPROGRESS) throw new Error(errnoName(connected))
    for (;;) {
      const count = libc.recv(fd, block, 0, block.size, 0)
      if (count > 0) chunks.push(Buffer.from(block.bytes.subarray(0, count)))
      else if (count !== EAGAIN) {
        // After a failed connect recv() says 0, and the error is still there.
        const refused = count === 0 && libc.getOption(fd, SOL_SOCKET, SO_ERROR) > 0
        return { bytes: Buffer.concat(chunks), ending: count < 0 || refused ? 'rst' : 'fin' }
      } else if (performance.now() > deadline) throw new Error('nothing came for 10 s')
      else await sleep(1)
    }
  } finally {
    libc.close(fd)
  }
}
