import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type SocketAddress, socketAddress } from '../../src/core/address.ts'
import { crc32c } from '../../src/protocol/crc32c.ts'
import { unknownHeader } from '../../src/protocol/proxy-header.ts'
import { readProxy } from '../../src/protocol/proxy-read.ts'
import { authorityOf, tlvType, tlvValue } from '../../src/protocol/proxy-tlv.ts'
import { proxyV1 } from '../../src/protocol/proxy-v1.ts'
import { proxyV2 } from '../../src/protocol/proxy-v2.ts'
import { findProgram } from '../helpers/find-program.ts'
import { FirstBytes } from '../helpers/first-bytes.ts'
import { Forwarder } from '../helpers/forwarder.ts'
import { block4, tlv, told, v2 } from '../protocol/proxy-bytes.ts'
import { newFolder, Server } from './server.ts'

const haproxy = findProgram('haproxy')
const runs = haproxy === null ? test.skip : test.serial
const request = 'GET / HTTP/1.1\r\n\r\n'
const missing = haproxy === null ? ' (HAProxy is not installed)' : ''

/** HAProxy with one listener; `rest`: what is in it, `bind` aside. */
async function start(
  t: ExecutionContext,
  mode: 'tcp' | 'http',
  bind: (port: number) => string,
  rest: string,
): Promise<Server> {
  const folder = newFolder('haproxy')
  const file = join(folder, 'haproxy.cfg')
  const command = (port: number): string[] => {
    const timeouts = ['connect', 'client', 'server'].map((what) => `  timeout ${what} 10s`)
    const text = [
      'defaults',
      `  mode ${mode}`,
      ...timeouts,
      'listen a',
      `  bind ${bind(port)}`,
      `  ${rest}`,
      '',
    ]
    writeFileSync(file, text.join('\n'))
    return [haproxy ?? '', '-W', '-db', '-f', file]
  }
  const server = await Server.start({ folder, command, ready: /Loading success/ })
  t.teardown(() => server.close())
  return server
}

/** What HAProxy sends ahead of a client's bytes, read; the client comes from `host`. */
async function sent(
  t: ExecutionContext,
  options: string,
  host: string,
): Promise<{ header: Buffer; client: Socket }> {
  const behind = await FirstBytes.listen((bytes) => {
    const read = readProxy(bytes)
    return read.kind === 'found' ? bytes.length >= read.length + request.length : read.kind !== 'incomplete'
  })
  t.teardown(() => behind.close())
  const bind = (port: number): string => (host === '::1' ? `[::1]:${port}` : `:::${port} v4v6`)
  const server = await start(t, 'tcp', bind, `server s 127.0.0.1:${behind.port} ${options}`)
  const client = connect({ host, port: server.port })
  t.teardown(() => client.destroy())
  client.on('error', () => {}) // HAProxy resets it when the server behind does
  await once(client, 'connect')
  client.write(request)
  return { header: await behind.next(), client }
}

const ways: readonly (readonly [options: string, host: string, address: string, version: 1 | 2])[] = [
  ['send-proxy', '127.0.0.1', '127.0.0.1', 1],
  ['send-proxy', '::1', '[::1]', 1],
  ['send-proxy-v2', '127.0.0.1', '127.0.0.1', 2],
  ['send-proxy-v2', '::1', '[::1]', 2],
  ['send-proxy-v2 proxy-v2-options crc32c', '127.0.0.1', '127.0.0.1', 2],
  ['send-proxy-v2 proxy-v2-options crc32c', '::1', '[::1]', 2],
]
for (const [options, host, address, version] of ways) {
  runs(`what HAProxy sends with ${options} for a client at ${host} is read${missing}`, async (t) => {
    const { header, client } = await sent(t, options, host)
    const read = readProxy(header)
    const ends = `${address}:${client.localPort} > ${address}:${client.remotePort}`
    t.is(told(read).replace(/ \(.*/, ''), `v${version} proxy ${ends}`, header.toString('latin1'))
    if (read.kind !== 'found') return
    t.is(tlvValue(read.tlvs, tlvType.crc32c) !== null, options.includes('crc32c'))
    t.is(header.toString('latin1', read.length), request)
  })
}

function ip(text: string, port: number): SocketAddress {
  const address = socketAddress(text, port)
  if (address === undefined) throw new Error(text)
  return address
}

/** TLVs with a checksum, as a balancer would send them. */
function received(): Uint8Array {
  const header = v2(0x21, 0x11, [block4, tlv(2, 'shop.example'), tlv(3, Buffer.alloc(4)), tlv(5, 'theirs')])
  const at = header.indexOf(tlv(3, Buffer.alloc(4))) + 3
  header.writeUInt32BE(crc32c(header, -1), at)
  const read = readProxy(header)
  if (read.kind !== 'found') throw new Error(told(read))
  return read.tlvs
}

const written: Readonly<Record<string, readonly [header: () => Uint8Array, answer: RegExp]>> = {
  v1: [() => proxyV1(ip('192.0.2.1', 1), ip('192.0.2.2', 2)), /^192\.0\.2\.1 - -$/],
  'v1 of two families': [
    () => proxyV1(ip('192.0.2.1', 1), ip('2001:db8::2', 2)),
    /^::ffff:192\.0\.2\.1 - -$|^192\.0\.2\.1 - -$/,
  ],
  'v2 with an id': [
    () => proxyV2(ip('2001:db8::1', 1), ip('2001:db8::2', 2), 'c-17'),
    /^2001:db8::1 - c-17$/,
  ],
  'v2 with TLVs that came, their checksum made anew': [
    () => proxyV2(ip('192.0.2.9', 1), ip('192.0.2.2', 2), 'ours', received()),
    /^192\.0\.2\.9 shop\.example theirs$/,
  ],
  // HAProxy 2.6 skips the TLVs of LOCAL, later ones read them.
  'v2 of a client without an address': [
    () => unknownHeader('v2', 'ours', received()),
    /^127\.0\.0\.1 (- -|shop\.example theirs)$/,
  ],
}
for (const [name, [header, answer]] of Object.entries(written)) {
  runs(`HAProxy reads ${name} as it was meant${missing}`, async (t) => {
    const said = '%[src] %[fc_pp_authority] %[fc_pp_unique_id]'
    const page = `http-request return status 200 content-type text/plain lf-string "${said}"`
    const server = await start(t, 'http', (port) => `127.0.0.1:${port} accept-proxy`, page)
    const client = connect({ host: '127.0.0.1', port: server.port })
    t.teardown(() => client.destroy())
    client.write(
      Buffer.concat([header(), Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')]),
    )
    const parts: Buffer[] = []
    client.on('data', (part: Buffer) => parts.push(part))
    await once(client, 'end')
    const body = Buffer.concat(parts).toString('latin1').split('\r\n\r\n')[1] ?? ''
    t.regex(
      body.replace(/ {2,}/g, ' - ').replace(/ $/, ' -'),
      answer,
      Buffer.concat(parts).toString('latin1'),
    )
  })
}

const page =
  'http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[fc_pp_unique_id]"'

for (const plane of ['net', 'splice'] as const) {
  for (const version of ['v1', 'v2'] as const) {
    for (const host of ['127.0.0.1', '::1']) {
      runs(
        `${plane}: HAProxy behind the program, with accept-proxy and ${version}, has the client at ${host}${missing}`,
        async (t) => {
          const server = await start(t, 'http', (port) => `127.0.0.1:${port} accept-proxy`, page)
          const forwarder = await Forwarder.start({
            plane,
            listen: host,
            endpoints: [server.port],
            pool: { sendProxyProtocol: version },
          })
          t.teardown(() => forwarder.close())
          const client = connect({ host, port: forwarder.port })
          t.teardown(() => client.destroy())
          client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
          const parts: Buffer[] = []
          client.on('data', (part: Buffer) => parts.push(part))
          await once(client, 'connect')
          const { localPort } = client
          await once(client, 'end')
          const { id } = await forwarder.outcome()
          const body = Buffer.concat(parts).toString('latin1').split('\r\n\r\n')[1]
          t.is(body?.trimEnd(), `${host} ${localPort}${version === 'v2' ? ` ${id}` : ''}`)
        },
      )
    }
  }
}

test('the checksum and the name of the TLVs in these tests are as a reader wants them', (t) => {
  t.is(authorityOf(received()), 'shop.example')
})
