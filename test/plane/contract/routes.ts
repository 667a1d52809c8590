import { dialPeer } from '../../helpers/peer.ts'
import { alpn, body, grease, hello, keyShares, message, records, sni } from '../../protocol/hello-bytes.ts'
import { block4, tlv, v2 } from '../../protocol/proxy-bytes.ts'
import type { SceneMaker } from '../scene.ts'
import { header } from './preface.ts'

const listener = {
  routes: [
    { sni: ['shop.example', '*.shop.example'], alpn: [], pool: 'shop' },
    { sni: ['*.example', 'shop.example'], alpn: ['h2'], pool: 'h2' },
  ],
  prefaceTimeoutMs: 3_600_000,
}
const alsoPools = ['shop', 'h2']

/** Cases 38 and 40: pools by name, and the bounds of what is read for that. */
export function routes(scene: SceneMaker): void {
  const ways: readonly (readonly [string, Buffer, string, string | null])[] = [
    ['an exact name', hello(sni('shop.example')), 'shop', 'shop.example'],
    ['a name in capitals', hello(sni('SHOP.example')), 'shop', 'shop.example'],
    [
      'a name that a wildcard covers',
      hello(...grease, sni('a.shop.example'), keyShares),
      'shop',
      'a.shop.example',
    ],
    ['a name two labels below a wildcard', hello(sni('a.b.shop.example')), 'main', 'a.b.shop.example'],
    ['a name and a protocol that fit', hello(sni('b.example'), alpn('http/1.1', 'h2')), 'h2', 'b.example'],
    ['a name that fits without the protocol', hello(sni('b.example'), alpn('http/1.1')), 'main', 'b.example'],
    ['no name', hello(alpn('h2')), 'main', null],
    ['no TLS at all', Buffer.from('SSH-2.0-x\r\n'), 'main', null],
    ['one byte that begins no hello', Buffer.from('G'), 'main', null],
  ]
  for (const [what, bytes, pool, serverName] of ways) {
    scene(
      `case 38: ${what} goes to ${pool}, unchanged`,
      { listener, alsoPools },
      async (t, { pair, forwarder }) => {
        const { client, server } = await pair(bytes)
        t.deepEqual(await server.read(bytes.length), bytes)
        await client.write('more')
        t.is((await server.read(4)).toString(), 'more')
        client.end()
        server.end()
        const outcome = await forwarder.outcome()
        t.deepEqual([outcome.pool, outcome.serverName], [pool, serverName])
        t.is(outcome.bytesUp, bytes.length + 4)
      },
    )
  }

  scene(
    'case 38: a hello over several records that comes byte by byte is one hello',
    { listener, alsoPools },
    async (t, { forwarder, backend }) => {
      const content = message(body({ extensions: [sni('shop.example'), keyShares] }))
      const bytes = records(content, [1, 3, 100, content.length])
      const client = await dialPeer(forwarder.port)
      for (const byte of bytes) await client.write(Buffer.of(byte))
      const server = await backend.accept()
      t.deepEqual(await server.read(bytes.length), bytes)
      client.end()
      server.end()
      t.is((await forwarder.outcome()).pool, 'shop')
    },
  )

  scene(
    'case 38: a client that waits for the server to speak gets what no route takes after prefaceTimeout',
    {
      listener: { ...listener, prefaceTimeoutMs: 100 },
      alsoPools,
      onPeer: (peer) => void peer.write('220 hello\r\n'),
    },
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      t.is((await client.read(11)).toString(), '220 hello\r\n')
      client.end()
      server.end()
      t.is((await forwarder.outcome()).pool, 'main')
    },
  )

  for (const [what, bytes] of [
    ['a name that no route takes', hello(sni('other.test'))],
    ['no TLS', Buffer.from('GET / HTTP/1.1\r\n')],
    ['half a hello that does not go on', hello(sni('shop.example')).subarray(0, 40)],
  ] as const) {
    scene(
      `case 38: without a pool for the rest ${what} is refused, and no endpoint hears of it`,
      { listener: { ...listener, pool: null, prefaceTimeoutMs: 100 }, alsoPools },
      async (t, { forwarder, backend }) => {
        const client = await dialPeer(forwarder.port)
        await client.write(bytes)
        t.is(await client.ended(), 'rst')
        t.is(backend.peers.length, 0)
        const series = 'spliceway_connections_rejected_total{listener="main",reason="no-route"}'
        t.is(await forwarder.metric(series), 1)
      },
    )
  }

  scene(
    'case 38: the hello behind a PROXY header is found, and what the header says comes first',
    { listener: { ...listener, ...header() }, alsoPools },
    async (t, { pair, forwarder }) => {
      const bytes = hello(sni('shop.example'))
      const behind = await pair(Buffer.concat([v2(0x21, 0x11, [block4]), bytes]))
      t.deepEqual(await behind.server.read(bytes.length), bytes)
      behind.client.end()
      behind.server.end()
      const { client, pool } = await forwarder.outcome()
      t.deepEqual([client, pool], ['192.0.2.1:1234', 'shop'])
      const said = await pair(v2(0x21, 0x11, [block4, tlv(0x02, 'a.shop.example'), tlv(0x01, 'h2')]))
      said.client.end()
      said.server.end()
      const outcome = await forwarder.outcome()
      t.deepEqual([outcome.pool, outcome.serverName], ['shop', 'a.shop.example'])
    },
  )

  scene(
    'case 38: a client that ends without a byte opens no connection to an endpoint',
    { listener, alsoPools },
    async (t, { forwarder, backend }) => {
      const client = await dialPeer(forwarder.port)
      client.end()
      t.is(await client.ended(), 'fin')
      const { cause, phase } = await forwarder.outcome()
      t.deepEqual([cause, phase, backend.peers.length], ['none', 'preface', 0])
    },
  )

  scene(
    'case 40: prefaces are a quarter of all connections, and the oldest gives way',
    { listener, alsoPools, config: { limits: { connections: 8 } } },
    async (t, { forwarder, backend }) => {
      const first = await dialPeer(forwarder.port)
      await forwarder.until(() => forwarder.app.status().connections.active === 1)
      const second = await dialPeer(forwarder.port)
      await forwarder.until(() => forwarder.app.status().connections.active === 2)
      const third = await dialPeer(forwarder.port)
      t.is(await first.ended(), 'rst')
      const bytes = hello(sni('shop.example'))
      await second.write(bytes)
      const server = await backend.accept()
      t.deepEqual(await server.read(bytes.length), bytes)
      t.is(
        await forwarder.metric('spliceway_connections_rejected_total{listener="main",reason="preface"}'),
        1,
      )
      for (const peer of [second, third, server]) peer.end()
    },
  )
}
