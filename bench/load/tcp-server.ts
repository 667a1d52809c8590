import { createServer, type Socket } from 'node:net'
import { serving } from '../harness/answering.ts'
import { headSize, readHead } from './head.ts'
import { sendBytes } from './send-bytes.ts'

// The backend of everything that is not HTTP; head.ts says what it does.
const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  const begin = (): void => {
    const head: Buffer | null = socket.read(headSize)
    if (head === null) return
    socket.off('readable', begin)
    if (head.length === headSize) serve(socket, head)
    else socket.end() // a probe
  }
  socket.on('readable', begin)
  socket.on('end', () => {
    if (socket.listenerCount('readable') > 0) socket.end() // it came and went without a word: a probe too
  })
})
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => serving(server.address()))

function serve(socket: Socket, head: Buffer): void {
  const { wish, bytes } = readHead(head)
  switch (wish) {
    case 'echo':
      socket.write(head)
      socket.pipe(socket)
      return
    case 'up':
      count(socket)
      return
    case 'down':
      socket.resume()
      sendBytes(socket, bytes)
      return
  }
}

function count(socket: Socket): void {
  let total = 0
  socket.on('data', (chunk) => {
    total += chunk.length
  })
  socket.on('end', () => {
    const reply = Buffer.alloc(8)
    reply.writeBigUInt64BE(BigInt(total))
    socket.end(reply)
  })
}
