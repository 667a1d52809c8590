import { setImmediate } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { Forwarder, type ForwarderOptions } from '../helpers/forwarder.ts'
import { lasting, quickSweeps } from '../helpers/lasting.ts'
import { Backend, dialPeer, echo, type Peer, silentPort, turnedAway } from '../helpers/peer.ts'
import { unixBackend } from '../helpers/unix-socket.ts'
import { header } from '../plane/contract/preface.ts'
import { line } from '../protocol/proxy-bytes.ts'

/** Case 20 on the splice plane: what goes on when a worker dies, and what does not. */
async function scene(
  t: ExecutionContext,
  options: Partial<ForwarderOptions> & { readonly onPeer?: (peer: Peer) => void } = {},
) {
  const { onPeer, ...rest } = options
  const backend = await Backend.start({ ...(onPeer && { onPeer }) })
  const forwarder = await Forwarder.start({
    plane: 'splice',
    endpoints: [backend.port],
    timeouts: quickSweeps,
    ...rest,
  })
  const clients: Peer[] = []
  t.teardown(async () => {
    for (const { socket } of clients) socket.destroy()
    await backend.close()
    await forwarder.close()
  })
  const pair = async (first: string) => {
    const client = await dialPeer(forwarder.port)
    clients.push(client)
    await client.write(first)
    return { client, server: await backend.accept() }
  }
  const ask = async (client: Peer, text: string): Promise<void> => {
    await client.write(text)
    t.is((await client.read(text.length)).toString(), text)
  }
  /** A worker dies, and another one has taken its place. */
  const crash = async (how: 'throw' | 'terminate' = 'throw', index = 1) => {
    const before = forwarder.lines.length
    forwarder.app.breakWorker(index, how)
    const died = () => forwarder.lines.slice(before).find(({ message }) => /^worker \d died/.test(message))
    await forwarder.until(() => died() !== undefined && forwarder.app.ready().ok)
    return fieldsOf(died()?.fields)
  }
  return { forwarder, backend, pair, ask, crash, clients }
}

function fieldsOf(fields: object | undefined) {
  const { connectionsAdopted, lost }: { connectionsAdopted?: number; lost?: Record<string, number> } =
    fields ?? {}
  const some = Object.entries(lost ?? {}).filter(([, count]) => count > 0)
  return { adopted: connectionsAdopted ?? -1, lost: Object.fromEntries(some) }
}

for (const how of ['throw', 'terminate'] as const) {
  for (const workers of [1, 2]) {
    const title = `case 20: ${how}: idle connections of one of ${workers} workers go on, and end with one line that has all their bytes`
    test.serial(title, async (t) => {
      const { forwarder, pair, ask, crash } = await scene(t, { workers, onPeer: echo })
      const clients: Peer[] = []
      for (let i = 0; i < 12; i++) {
        const { client } = await pair('')
        clients.push(client)
        await ask(client, 'before')
      }
      await lasting(forwarder)
      const had = forwarder.app.status().workers[0]?.active ?? -1
      t.deepEqual(await crash(how), { adopted: had, lost: {} })
      for (const client of clients) await ask(client, 'after!')
      t.is(forwarder.app.status().connections.active, 12)
      t.is(await forwarder.metric('spliceway_connections_active{listener="main"}'), 12)
      for (const client of clients) client.end()
      for (const client of clients) t.is(await client.ended(), 'fin')
      const outcomes = await Promise.all(clients.map(() => forwarder.outcome()))
      t.deepEqual(
        outcomes.map(({ bytesUp, bytesDown, cause, moves }) => [bytesUp, bytesDown, cause, moves ?? 0]),
        outcomes.map(() => [12, 12, 'none', 0]),
      )
      t.is(new Set(outcomes.map(({ id }) => id)).size, 12)
      for (const { attempts, firstByteMs } of outcomes) {
        t.is(attempts.length, 1)
        t.true((firstByteMs ?? -1) >= 0)
      }
      t.is(await forwarder.metric('spliceway_sessions_adopted_total{from="worker"}'), had)
      t.is(await forwarder.metric('spliceway_connections_accepted_total{listener="main"}'), 12)
      const proxy = 'spliceway_connections_closed_total{listener="main",cause="proxy",phase="data"}'
      t.is(await forwarder.metric(proxy), 0)
      const bytes = 'spliceway_bytes_total{listener="main",direction="up"}'
      t.is(await forwarder.metric(bytes), 12 * 12)
    })
  }
}

test.serial('connections that are half-closed go on, whichever side has ended', async (t) => {
  const { forwarder, pair, crash } = await scene(t)
  const one = await pair('question')
  one.client.end()
  t.is((await one.server.readAll()).bytes.toString(), 'question')
  const other = await pair('question')
  await other.server.read(8)
  other.server.end('greeting')
  t.is((await other.client.readAll()).bytes.toString(), 'greeting')
  await lasting(forwarder)
  t.deepEqual(await crash(), { adopted: 2, lost: {} })
  one.server.end('answer')
  const { bytes, ending } = await one.client.readAll()
  t.deepEqual([bytes.toString(), ending], ['answer', 'fin'])
  other.client.end(' and more')
  t.is((await other.server.read(9)).toString(), ' and more')
  t.is(await other.server.ended(), 'fin')
  const outcomes = [await forwarder.outcome(), await forwarder.outcome()]
  t.deepEqual(
    outcomes.map(({ bytesUp, bytesDown, cause, closed }) => [bytesUp, bytesDown, cause, closed.first]),
    [
      [8, 6, 'none', 'client'],
      [17, 8, 'none', 'server'],
    ],
  )
})

test.serial(
  'bytes and ends that come while nobody is there are passed on by the one who comes',
  async (t) => {
    const { forwarder, pair } = await scene(t)
    const { client, server } = await pair('one ')
    await server.read(4)
    await lasting(forwarder)
    forwarder.app.breakWorker(1)
    await forwarder.line(/worker 1 died.* 1 go on/)
    client.end('two')
    server.end('three')
    t.is((await server.readAll()).bytes.toString(), 'two')
    t.is((await client.readAll()).bytes.toString(), 'three')
    t.like(await forwarder.outcome(), { bytesUp: 7, bytesDown: 5, cause: 'none' })
  },
)

test.serial(
  'what a peer has not read is held, and a connection that holds something is not whole: both sides get RST',
  async (t) => {
    const { forwarder, pair, crash } = await scene(t)
    const { client, server } = await pair('start')
    await server.read(5)
    server.socket.pause()
    client.socket.write(Buffer.alloc(48 * 1024 * 1024))
    const idle = await pair('idle')
    await idle.server.read(4)
    while ((await forwarder.metric('spliceway_buffered_bytes')) === 0) await setImmediate()
    await lasting(forwarder)
    t.deepEqual(await crash(), { adopted: 1, lost: { 'not-whole': 1 } })
    t.is(await client.ended(), 'rst')
    server.socket.resume()
    t.is(await server.ended(), 'rst')
    const lost = 'spliceway_sessions_lost_total{from="worker",reason="not-whole"}'
    t.is(await forwarder.metric(lost), 1)
    const proxy = 'spliceway_connections_closed_total{listener="main",cause="proxy",phase="data"}'
    t.is(await forwarder.metric(proxy), 1)
  },
)

test.serial('a connection to a UNIX socket is reset, because nobody counts its bytes', async (t) => {
  const gateway = await unixBackend(echo)
  const { ask, crash, forwarder, clients } = await scene(t, { endpoints: [gateway.endpoint] })
  const client = await dialPeer(forwarder.port)
  clients.push(client)
  await ask(client, 'hello')
  await lasting(forwarder)
  t.deepEqual(await crash(), { adopted: 0, lost: { 'no-counters': 1 } })
  t.is(await client.ended(), 'rst')
  await gateway.close()
})

test.serial('a connection that has reached nobody is reset: it was not written down', async (t) => {
  const silent = await silentPort()
  t.teardown(() => silent.close())
  const { crash, forwarder, clients } = await scene(t, { endpoints: [silent.port] })
  clients.push(await dialPeer(forwarder.port))
  await lasting(forwarder)
  t.is(forwarder.app.status().connections.active, 1)
  t.deepEqual(await crash(), { adopted: 0, lost: { young: 1 } })
  for (const client of clients) t.is(await client.ended(), 'rst')
})

test.serial('PROXY headers, the one that came and the one that went, are not missed', async (t) => {
  const { forwarder, pair, crash } = await scene(t, {
    listener: header(),
    pool: { sendProxyProtocol: 'v1' },
  })
  const first = line('PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n')
  const { client, server } = await pair(`${first}hello`)
  const sent = /^PROXY TCP4 203\.0\.113\.7 .*\r\nhello$/
  let got = ''
  while (!sent.test(got)) got += (await server.read(1)).toString()
  await lasting(forwarder)
  t.deepEqual(await crash(), { adopted: 1, lost: {} })
  client.end(' again')
  t.is((await server.readAll()).bytes.toString(), ' again')
  server.end()
  t.like(await forwarder.outcome(), { client: '203.0.113.7:4711', bytesUp: 11, bytesDown: 0, cause: 'none' })
})

test.serial('a connection that went on still counts for its source', async (t) => {
  const perSource = { connections: 1, perSecond: null, prefix4: 32, prefix6: 64, dryRun: false }
  const { forwarder, pair, ask, crash, clients } = await scene(t, { onPeer: echo, listener: { perSource } })
  const { client } = await pair('')
  await ask(client, 'hello')
  await lasting(forwarder)
  t.is((await crash()).adopted, 1)
  await ask(client, 'again')
  t.is(await turnedAway(forwarder.port), 'rst')
  client.end()
  await client.ended()
  await forwarder.outcome()
  const third = await dialPeer(forwarder.port)
  clients.push(third)
  await ask(third, 'now')
})

test.serial(
  'a connection keeps its id, is explained and killed by it, and nobody else gets it',
  async (t) => {
    const { forwarder, pair, ask, crash } = await scene(t, { onPeer: echo })
    const everyone = { listener: null, pool: null, endpoint: null, client: null, olderMs: 0, idleMs: 0 }
    const listed = async (): Promise<readonly { readonly id: string }[]> => {
      let text = ''
      for await (const part of forwarder.app.connections(everyone)) text += part
      return JSON.parse(text).connections
    }
    const { client } = await pair('')
    await ask(client, 'hello')
    await lasting(forwarder)
    const [before] = await listed()
    t.is((await crash()).adopted, 1)
    await ask(client, 'again')
    const after = await listed()
    t.like(after, [{ id: before?.id, bytesUp: 10, bytesDown: 10, state: 'data' }])
    const { client: another } = await pair('')
    await ask(another, 'new')
    t.is(new Set((await listed()).map(({ id }) => id)).size, 2)
    t.like(JSON.parse((await forwarder.app.explain(before?.id ?? '')) ?? ''), { id: before?.id })
    t.true((await forwarder.app.kill(before?.id ?? '')).ok)
    t.is(await client.ended(), 'rst')
    t.like(await forwarder.outcome(), { id: before?.id, cause: 'admin', closed: { how: 'kill' } })
    await ask(another, 'still here')
  },
)

test.serial(
  'who was there when three workers died is not given to a fourth, and after three in a minute nobody is',
  async (t) => {
    const { forwarder, pair, ask, crash } = await scene(t, { onPeer: echo })
    const old = await pair('')
    await ask(old.client, 'hello')
    await lasting(forwarder)
    t.deepEqual(await crash(), { adopted: 1, lost: {} })
    await ask(old.client, 'one')
    t.deepEqual(await crash(), { adopted: 1, lost: {} })
    await ask(old.client, 'two')
    const { client } = await pair('')
    await ask(client, 'hello')
    await lasting(forwarder)
    t.deepEqual(await crash(), { adopted: 1, lost: { poison: 1 } })
    t.is(await old.client.ended(), 'rst')
    await ask(client, 'three')
    await lasting(forwarder)
    t.deepEqual(await crash(), { adopted: 0, lost: { poison: 1 } })
    t.is(await client.ended(), 'rst')
  },
)

test.serial('a drain ends connections that went on', async (t) => {
  const { forwarder, pair, ask, crash } = await scene(t, {
    onPeer: echo,
    workers: 2,
    config: { drain: { notReadyDelayMs: 0, windowMs: 1_500, deadlineMs: 2_500, idleAfterMs: 50 } },
  })
  const { client } = await pair('')
  await ask(client, 'hello')
  await lasting(forwarder)
  const index = forwarder.app.status().workers.find(({ active }) => active > 0)?.index ?? 1
  t.is((await crash('terminate', index)).adopted, 1)
  client.socket.on('end', () => client.end())
  forwarder.app.drain(true)
  t.is(await client.ended(), 'fin')
  t.like(await forwarder.outcome(), { cause: 'admin' })
})

test.serial('the net plane resets them all', async (t) => {
  const { forwarder, pair, ask, crash } = await scene(t, { onPeer: echo, plane: 'net' })
  const { client } = await pair('')
  await ask(client, 'hello')
  await lasting(forwarder)
  t.deepEqual(await crash(), { adopted: 0, lost: { young: 1 } })
  t.is(await client.ended(), 'rst')
})
