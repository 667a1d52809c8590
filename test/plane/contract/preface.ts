import { randomBytes } from 'node:crypto'
import type { ListenerConfig } from '../../../src/config/config.ts'
import { formatAddress } from '../../../src/core/address.ts'
import { parseCidr } from '../../../src/core/cidr.ts'
import { dialPeer, turnedAway } from '../../helpers/peer.ts'
import { readProxy } from '../../helpers/read-proxy.ts'
import { block4, block6, blockUnix, line, tlv, v2 } from '../../protocol/proxy-bytes.ts'
import { sha } from '../payload.ts'
import type { SceneMaker } from '../scene.ts'

export function cidrs(...ranges: readonly string[]) {
  return ranges.map((range) => {
    const parsed = parseCidr(range)
    if (parsed.kind === 'bad') throw new Error(range)
    return parsed.cidr
  })
}

export function header(changes: Partial<NonNullable<ListenerConfig['acceptProxyProtocol']>> = {}) {
  const from = cidrs('127.0.0.0/8')
  return { acceptProxyProtocol: { from, timeoutMs: 5_000, others: 'refuse', ...changes } } as const
}

const v1 = line('PROXY TCP4 192.0.2.1 192.0.2.2 1234 5678\r\n')

/** case 37: the PROXY header of a load balancer. */
export function receivedHeader(scene: SceneMaker): void {
  const forms: readonly (readonly [string, Buffer, string])[] = [
    ['v1', v1, '192.0.2.1:1234'],
    ['v2', v2(0x21, 0x11, [block4]), '192.0.2.1:1234'],
    [
      'v2 with TLVs',
      v2(0x21, 0x21, [block6, tlv(0x04, 'padding'), tlv(0xea, 'vpce-1')]),
      '[2001:db8::1]:1234',
    ],
    ['v1 of a v4-mapped client', line('PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n'), '192.0.2.7:1'],
    ['v2 that names nobody', v2(0x21, 0x31, [blockUnix]), 'unknown'],
  ]
  for (const [what, bytes, client] of forms) {
    scene(
      `case 37: a PROXY header ${what} says who the client is, and is no part of its bytes`,
      { listener: header() },
      async (t, { pair, forwarder }) => {
        const { client: peer, server } = await pair(bytes)
        const sent = randomBytes(100_000)
        peer.end(sent)
        t.is(sha((await server.readAll()).bytes), sha(sent))
        server.end()
        const outcome = await forwarder.outcome()
        t.is(outcome.client, client)
        t.is(outcome.cause, 'none')
        t.is(outcome.bytesUp, sent.length)
      },
    )
  }

  scene(
    "case 37: a PROXY header may come byte by byte, and the client's bytes with its last one",
    { listener: header() },
    async (t, { forwarder, backend }) => {
      const bytes = v2(0x21, 0x11, [block4, tlv(0xea, 'a')])
      const client = await dialPeer(forwarder.port)
      for (const byte of bytes.subarray(0, -1)) await client.write(Buffer.of(byte))
      t.is(backend.peers.length, 0)
      await client.write(Buffer.concat([bytes.subarray(-1), Buffer.from('payload')]))
      const server = await backend.accept()
      t.is((await server.read(7)).toString(), 'payload')
      client.end()
      server.end()
      t.is((await forwarder.outcome()).client, '192.0.2.1:1234')
    },
  )

  scene(
    'case 37: whoever has said who the client is says so to the endpoint, with what came beside',
    { listener: header(), pool: { sendProxyProtocol: 'v2' } },
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair(v2(0x21, 0x11, [block4, tlv(0x05, 'theirs'), tlv(0xea, 'a')]))
      await forwarder.until(() => server.size > 0)
      const bytes = await server.read(server.size)
      const found = readProxy(bytes)
      if (found.kind !== 'found') return t.fail(found.kind)
      t.is(found.source && formatAddress(found.source), '192.0.2.1:1234')
      t.is(found.destination && formatAddress(found.destination), '192.0.2.2:5678')
      t.is(found.uniqueId, 'theirs')
      t.true(bytes.includes(tlv(0xea, 'a')))
      client.end()
      server.end()
    },
  )

  const wrong: readonly (readonly [string, Buffer])[] = [
    ['no header', Buffer.from('GET / HTTP/1.1\r\n')],
    ['a malformed header', line('PROXY TCP4 192.0.2.1 192.0.2.256 1234 5678\r\n')],
    ['half a header and the end', v1.subarray(0, 20)],
  ]
  for (const [what, bytes] of wrong) {
    scene(
      `case 37: ${what} from a peer that has to send one is refused, and no endpoint hears of it`,
      { listener: header() },
      async (t, { forwarder, backend }) => {
        const client = await dialPeer(forwarder.port)
        client.end(bytes)
        t.is(await client.ended(), 'rst')
        t.is(backend.peers.length, 0)
        t.is(
          await forwarder.metric(
            'spliceway_connections_rejected_total{listener="main",reason="proxy-header"}',
          ),
          1,
        )
        t.is((await forwarder.line(/was refused: proxy-header/)).level, 'warn')
        t.is(forwarder.outcomes.length, 0)
      },
    )
  }

  scene(
    'case 37: a header that does not come in time is waited for no longer',
    { listener: header({ timeoutMs: 100 }) },
    async (t, { forwarder, backend }) => {
      const client = await dialPeer(forwarder.port)
      await client.write(v1.subarray(0, 8))
      t.is(await client.ended(), 'rst')
      t.is(backend.peers.length, 0)
      t.is(
        await forwarder.metric('spliceway_connections_rejected_total{listener="main",reason="preface"}'),
        1,
      )
    },
  )

  scene(
    'case 37: another peer is refused',
    { listener: header({ from: cidrs('192.0.2.0/24') }) },
    async (t, { forwarder, backend }) => {
      t.is(await turnedAway(forwarder.port), 'rst')
      t.is(backend.peers.length, 0)
    },
  )

  scene(
    'case 37: `others: direct` serves another peer as it is, and reads nothing of it',
    { listener: header({ from: cidrs('192.0.2.0/24'), others: 'direct' }) },
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair(v1)
      t.is((await server.read(v1.length)).toString(), v1.toString())
      client.end()
      server.end()
      t.regex((await forwarder.outcome()).client, /^127\.0\.0\.1:/)
    },
  )

  for (const [what, leave] of [
    ['connects and ends', (peer: { end(): void }) => peer.end()],
    ['connects and resets', (peer: { reset(): void }) => peer.reset()],
  ] as const) {
    scene(
      `case 37: a balancer that only ${what} opens no connection to an endpoint, and is nobody's fault`,
      { listener: header() },
      async (t, { forwarder, backend }) => {
        const client = await dialPeer(forwarder.port)
        await forwarder.until(() => forwarder.app.status().connections.active === 1)
        leave(client)
        const { cause, phase } = await forwarder.outcome()
        t.deepEqual({ cause, phase }, { cause: 'none', phase: 'preface' })
        t.is(backend.peers.length, 0)
        t.deepEqual(
          forwarder.lines.filter(({ level }) => level !== 'info'),
          [],
        )
      },
    )
  }
}
