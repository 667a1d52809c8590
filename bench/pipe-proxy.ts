import { connect, createServer } from 'node:net'
import { serving } from './harness/answering.ts'

// The forwarder that everyone would write: what all figures are compared with.
const [host = '127.0.0.1', port = '0', listen = '127.0.0.1'] = process.argv.slice(2)
const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const endpoint = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true })
  client.pipe(endpoint).pipe(client)
  client.on('error', () => endpoint.destroy())
  endpoint.on('error', () => client.destroy())
})
server.listen({ host: listen, port: 0, backlog: 4096 }, () => serving(server.address()))
