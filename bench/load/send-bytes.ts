import type { Socket } from 'node:net'

const block = Buffer.alloc(256 * 1024, 'spliceway')

/** Writes `bytes` bytes as fast as the peer takes them, then FIN. */
export function sendBytes(socket: Socket, bytes: number): void {
  let left = bytes
  const more = (): void => {
    while (left > 0) {
      const chunk = left < block.length ? block.subarray(0, left) : block
      left -= chunk.length
      if (!socket.write(chunk)) return
    }
    socket.end()
  }
  socket.on('drain', more)
  more()
}
