import { connect } from 'node:net'
import type { ExecutionContext } from 'ava'
import { formatAddress } from '../../../src/core/address.ts'
import type { PlaneName } from '../../helpers/forwarder.ts'
import { echo, Peer } from '../../helpers/peer.ts'
import { line } from '../../protocol/proxy-bytes.ts'
import type { Scene, SceneMaker, Settings } from '../scene.ts'
import { cidrs, header } from './preface.ts'

const list = (...ranges: readonly string[]) => ({ kind: 'listed', cidrs: cidrs(...ranges) }) as const
const perSource = { connections: null, perSecond: null, prefix4: 32, prefix6: 64, dryRun: false }

/** A scene that ends its clients. */
interface Visited extends Scene {
  readonly open: Peer[]
}

/** Connects, sends `first`, and says what comes back: an echo, or how it ended. */
async function visit({ forwarder, open }: Visited, first: string, from = '127.0.0.1') {
  const { port } = forwarder
  // May be cut off before connect() has returned.
  const client = new Peer(connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true }))
  open.push(client)
  await client.write(`${first}word`).catch(() => {})
  const answer = await client.read(4).then(String, () => client.ending)
  return { client, answer }
}

async function leave(scene: Scene, client: Peer): Promise<void> {
  const before = scene.forwarder.outcomes.length
  client.end()
  await client.ended()
  await scene.forwarder.until(() => scene.forwarder.outcomes.length > before)
}

function rejected({ forwarder }: Scene, reason: string): Promise<number> {
  return forwarder.metric(`spliceway_connections_rejected_total{listener="main",reason="${reason}"}`)
}

/** Case 39: lists, limits of a source, and the listener's rate. */
export function whoMayConnect(make: SceneMaker, plane: PlaneName): void {
  const scene = (
    title: string,
    settings: Settings,
    run: (t: ExecutionContext, whole: Visited) => Promise<void>,
  ): void =>
    make(title, settings, async (t, bare) => {
      const open: Peer[] = []
      try {
        await run(t, { ...bare, open })
      } finally {
        for (const { socket } of open) socket.destroy()
      }
    })
  scene(
    'case 39: deny wins over allow, and allow refuses the rest',
    { onPeer: echo, listener: { allow: list('127.0.0.0/29'), deny: list('127.0.0.2') } },
    async (t, whole) => {
      t.is((await visit(whole, '', '127.0.0.1')).answer, 'word')
      t.is((await visit(whole, '', '127.0.0.2')).answer, 'rst')
      t.is((await visit(whole, '', '127.0.0.9')).answer, 'rst')
      t.is(await rejected(whole, 'denied'), 2)
      const { message } = await whole.forwarder.line(/was refused/)
      t.regex(message, /^listener main: a connection of 127\.0\.0\.2:\d+ was refused: denied$/)
      t.is(whole.forwarder.lines.filter(({ level }) => level === 'warn').length, 1)
    },
  )

  scene(
    'case 39: the client that a header names is who the lists are about, as IPv4 where it is that',
    { onPeer: echo, listener: { ...header(), allow: list('192.0.2.0/24'), deny: list('192.0.2.128/25') } },
    async (t, whole) => {
      const said = (source: string) => line(`PROXY TCP6 ${source} ::1 1 2\r\n`).toString()
      t.is((await visit(whole, said('::ffff:192.0.2.1'))).answer, 'word')
      t.is((await visit(whole, said('::ffff:192.0.2.200'))).answer, 'rst')
      t.is((await visit(whole, said('2001:db8::1'))).answer, 'rst')
      t.is((await visit(whole, 'PROXY UNKNOWN\r\n')).answer, 'word')
      t.is(await rejected(whole, 'denied'), 2)
    },
  )

  scene(
    'case 39: a source has so many connections, and the next when one has ended; others are not concerned',
    { onPeer: echo, listener: { perSource: { ...perSource, connections: 2 } } },
    async (t, whole) => {
      const first = await visit(whole, '')
      const second = await visit(whole, '')
      t.deepEqual([first.answer, second.answer], ['word', 'word'])
      t.is((await visit(whole, '')).answer, 'rst')
      t.is((await visit(whole, '', '127.0.0.2')).answer, 'word')
      await leave(whole, first.client)
      t.is((await visit(whole, '')).answer, 'word')
      t.is(await rejected(whole, 'per-source'), 1)
    },
  )

  scene(
    'case 39: a source of a header has so many connections',
    { onPeer: echo, listener: { ...header(), perSource: { ...perSource, connections: 1, prefix4: 24 } } },
    async (t, whole) => {
      const said = (source: string) => `PROXY TCP4 ${source} 127.0.0.1 1 2\r\n`
      const { answer, client } = await visit(whole, said('192.0.2.1'))
      t.is(answer, 'word')
      t.is((await visit(whole, said('192.0.2.200'))).answer, 'rst')
      t.is((await visit(whole, said('198.51.100.1'))).answer, 'word')
      await leave(whole, client)
      t.is((await visit(whole, said('192.0.2.200'))).answer, 'word')
    },
  )

  scene(
    'case 39: a source has so many new connections a second, and is refused as the listener says',
    { onPeer: echo, listener: { perSource: { ...perSource, perSecond: 1 }, refuse: 'close' } },
    async (t, whole) => {
      t.is((await visit(whole, '')).answer, 'word')
      const { client } = await visit(whole, '')
      t.not(client.ending, null)
      t.true((await rejected(whole, 'per-source')) >= 1)
    },
  )

  scene(
    'case 39: a dry run refuses nobody and says whom it would have',
    { onPeer: echo, listener: { perSource: { ...perSource, connections: 1, dryRun: true } } },
    async (t, whole) => {
      const first = await visit(whole, '')
      const second = await visit(whole, '')
      t.deepEqual([first.answer, second.answer], ['word', 'word'])
      await whole.forwarder.line(/would have been refused, perSource.connections of its source is reached/)
      t.is(await rejected(whole, 'per-source'), 0)
    },
  )

  scene(
    "case 39: what is above the listener's rate waits in the backlog or, on the net plane, is refused",
    { onPeer: echo, listener: { rate: 2 } },
    async (t, whole) => {
      const visits = await Promise.all(Array.from({ length: 6 }, () => visit(whole, '')))
      const served = visits.filter(({ answer }) => answer === 'word').length
      const refused = await rejected(whole, 'rate')
      t.is(served + refused, 6)
      if (plane === 'net') t.true(refused >= 1)
      else t.is(refused, 0)
    },
  )

  scene(
    'case 39: who connects from another address than the client is not who the log names',
    { onPeer: echo, listener: { deny: list('127.0.0.2') } },
    async (t, whole) => {
      const { client } = await visit(whole, '', '127.0.0.77')
      const { localPort } = client.socket
      await leave(whole, client)
      const [outcome] = whole.forwarder.outcomes
      const expected = { family: 4, bytes: Uint8Array.of(127, 0, 0, 77), port: localPort ?? 0 } as const
      t.is(outcome?.client, formatAddress(expected))
    },
  )
}
