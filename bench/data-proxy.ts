import { connect, createServer, type Socket } from 'node:net'
import { serving } from './harness/answering.ts'

// As pipe-proxy.ts, but by hand: 'data' events, write, pause until the drain. What stream.pipe() itself costs.
const [host = '127.0.0.1', port = '0', listen = '127.0.0.1'] = process.argv.slice(2)
const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const endpoint = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true })
  carry(client, endpoint)
  carry(endpoint, client)
})
server.listen({ host: listen, port: 0, backlog: 4096 }, () => serving(server.address()))

function carry(from: Socket, to: Socket): void {
  from.on('data', (chunk) => {
    if (!to.write(chunk)) from.pause()
  })
  from.on('end', () => to.end())
  from.on('error', () => to.destroy())
  to.on('drain', () => from.resume())
}
