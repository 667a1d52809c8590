import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { findProgram } from '../helpers/find-program.ts'
import { Forwarder } from '../helpers/forwarder.ts'
import { findNginx } from '../helpers/nginx.ts'
import { cidrs } from '../plane/contract/preface.ts'
import { newFolder, Server } from './server.ts'

const haproxy = findProgram('haproxy')
const nginx = findNginx()
const runs = haproxy === null || nginx === null ? test.skip : test.serial
const missing = haproxy === null || nginx === null ? ' (HAProxy or nginx is not installed)' : ''

/** The balancer: HAProxy, which tells `to` who its client is. */
function balancer(to: number, options: string): Promise<Server> {
  const folder = newFolder('haproxy')
  const file = join(folder, 'haproxy.cfg')
  const command = (port: number): string[] => {
    const timeouts = ['connect', 'client', 'server'].map((what) => `  timeout ${what} 10s`)
    const listen = ['listen a', `  bind 127.0.0.1:${port}`, `  server s 127.0.0.1:${to} ${options}`, '']
    writeFileSync(file, ['defaults', '  mode tcp', ...timeouts, ...listen].join('\n'))
    return [haproxy ?? '', '-W', '-db', '-f', file]
  }
  return Server.start({ folder, command, ready: /Loading success/ })
}

/** The gateway: nginx, which takes a PROXY header and answers with the client that it names. */
function gateway(): Promise<Server> {
  const folder = newFolder('nginx')
  const file = join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const paths = temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')
  const command = (port: number): string[] => {
    writeFileSync(
      file,
      `daemon off; pid ${folder}/pid; error_log stderr notice; events {}
http { access_log off; ${paths}
  server { listen 127.0.0.1:${port} proxy_protocol;
    location / { return 200 "client $proxy_protocol_addr:$proxy_protocol_port\\n"; } } }\n`,
    )
    return [nginx ?? '', '-p', folder, '-c', file, '-e', 'stderr']
  }
  return Server.start({ folder, command, ready: /start worker process/ })
}

for (const plane of ['net', 'splice'] as const) {
  for (const [into, out] of [
    ['send-proxy', 'v2'],
    ['send-proxy-v2', 'v1'],
  ] as const) {
    runs(
      `${plane}: HAProxy (${into}), then we (${out}), then nginx: both know the client${missing}`,
      async (t) => {
        const behind = await gateway()
        t.teardown(() => behind.close())
        const forwarder = await Forwarder.start({
          plane,
          endpoints: [behind.port],
          listener: {
            acceptProxyProtocol: { from: cidrs('127.0.0.1'), timeoutMs: 5_000, others: 'refuse' },
            deny: { kind: 'listed', cidrs: cidrs('127.0.0.66') },
          },
          pool: { sendProxyProtocol: out },
        })
        t.teardown(() => forwarder.close())
        const before = await balancer(forwarder.port, into)
        t.teardown(() => before.close())
        const visit = async (from: string) => {
          const socket = connect({ host: '127.0.0.1', port: before.port, localAddress: from })
          socket.on('error', () => {})
          await once(socket, 'connect')
          const client = `${from}:${socket.localPort}`
          let text = ''
          socket.setEncoding('latin1').on('data', (chunk: string) => {
            text += chunk
          })
          socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
          await once(socket, 'close')
          return { client, text }
        }
        const { client, text } = await visit('127.0.0.77')
        t.true(text.includes(`client ${client}\n`), text)
        t.is((await forwarder.outcome()).client, client)
        t.is((await visit('127.0.0.66')).text, '')
        await forwarder.line(/a connection of 127\.0\.0\.66:\d+ was refused: denied/)
      },
    )
  }
}
