import { createServer } from 'node:http'
import { serving } from '../harness/answering.ts'

// The backend where nginx is not installed. One port on all the addresses that are given.
const [first = '127.0.0.1', ...others] = process.argv.slice(2)
const create = () =>
  createServer({ keepAliveTimeout: 60_000 }, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 13 })
    response.end('hello, world\n')
  })
const server = create()
server.listen({ host: first, port: 0, backlog: 4096 }, () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  for (const host of others) create().listen({ host, port, backlog: 4096 })
  serving(address)
})
