import { execFile } from 'node:child_process'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import test from 'ava'
import { certificate, hasOpenssl } from '../helpers/certificate.ts'
import { findProgram } from '../helpers/find-program.ts'
import { configOf, Forwarder } from '../helpers/forwarder.ts'

const run = promisify(execFile)

const python = `
import http.client, ssl, socket, sys
context = ssl._create_unverified_context()
raw = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
secure = context.wrap_socket(raw, server_hostname=sys.argv[2])
secure.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
text = b''
while chunk := secure.recv(4096): text += chunk
print(text.split(b'\\r\\n\\r\\n', 1)[1].decode())
`

/** What each program is asked to say to `name` at `port`; its output ends with the gateway's own name. */
const clients: Readonly<Record<string, (port: number, name: string) => readonly string[]>> = {
  curl: (port, name) => ['-sk', '--connect-to', `::127.0.0.1:${port}`, `https://${name}/`],
  openssl: (port, name) => ['s_client', '-quiet', '-connect', `127.0.0.1:${port}`, '-servername', name],
  python3: (port, name) => ['-c', python, String(port), name],
}

/** A gateway of its own certificate, which says its name and ends. */
async function gateway(name: string): Promise<Server> {
  const server = createServer(certificate([name]), (_, response) =>
    response.writeHead(200, { connection: 'close' }).end(`I am ${name}`),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

for (const plane of ['splice', 'net'] as const) {
  for (const [program, call] of Object.entries(clients)) {
    const works = hasOpenssl && findProgram(program) !== undefined
    const check = works ? test : test.skip
    check(`${plane}: ${program} reaches the gateway of the name that it asks for`, async (t) => {
      const gateways = { shop: await gateway('shop.example'), rest: await gateway('rest.example') }
      const listener = { routes: [{ sni: ['shop.example', '*.shop.example'], alpn: [], pool: 'shop' }] }
      const base = configOf({ plane, endpoints: [portOf(gateways.rest)], listener })
      const shop = configOf({ plane, endpoints: [portOf(gateways.shop)] }).pools.map((pool) => ({
        ...pool,
        name: 'shop',
      }))
      const forwarder = await Forwarder.start({
        plane,
        endpoints: [portOf(gateways.rest)],
        listener,
        config: { pools: [...base.pools, ...shop] },
      })
      t.teardown(async () => {
        await forwarder.close()
        for (const server of Object.values(gateways)) server.close()
      })
      const ways = [
        ['shop.example', 'shop.example'],
        ['WWW.shop.example', 'shop.example'],
        ['else.example', 'rest.example'],
      ] as const
      for (const [asked, answers] of ways) {
        const child = run(program, call(forwarder.port, asked), { timeout: 30_000 })
        if (program === 'openssl') child.child.stdin?.write('GET / HTTP/1.0\r\n\r\n')
        const { stdout } = await child
        t.true(stdout.trimEnd().endsWith(`I am ${answers}`), `${asked}: ${stdout}`)
      }
    })
  }
}
