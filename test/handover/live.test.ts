import { once } from 'node:events'
import { get } from 'node:http'
import test from 'ava'
import type { Program } from '../helpers/program.ts'
import { Conversations } from './conversations.ts'
import { LongLived } from './long-lived.ts'
import { Succession } from './succession.ts'

/** A newcomer proves itself for five seconds before connections move. */
const patienceMs = 30_000

interface Line {
  readonly id: string
  readonly moves?: number
  readonly bytesUp: number
  readonly bytesDown: number
  readonly cause: string
}

/** Lines of the access log. */
function linesOf({ lines }: Program): readonly Line[] {
  return lines.filter((line) => line.includes('"msg":"connection"')).map((line) => JSON.parse(line))
}

/** What the admin socket at `socketPath` answers. */
async function ask(socketPath: string, path: string): Promise<string> {
  const [answer] = await once(get({ socketPath, path }), 'response')
  return (await answer.setEncoding('utf8').toArray()).join('')
}

test.serial('connections of every kind go on in the next process, and the one before ends', async (t) => {
  const place = await Succession.open(t)
  const talks = await Conversations.listen(place.talkHost, place.talkBackendPort, 3)
  t.teardown(() => talks.close())
  const old = await place.start(t, { workers: 2, access: 'all' })
  await old.line(/listening on .* for pool talk/)
  const kinds = [
    'idle',
    'talk',
    'half-client',
    'half-server',
    'blocked-client',
    'blocked-server',
    'bulk',
  ] as const
  for (const kind of kinds) await talks.open(kind, 3, place.talkPort, place.talkHost)
  const count = talks.all.length
  const next = await place.start(t, { workers: 3, access: 'all' })
  await next.line(/"msg":"settled: /, 0, patienceMs)
  const moved: object = JSON.parse(await old.line(/"msg":"moved \d+ live connections/))
  t.like(moved, { connections: count, mismatches: 0, left: 0 })
  t.deepEqual(await old.exit, { code: 0, signal: null })
  t.deepEqual(linesOf(old), [], 'a connection has one line, in the process where it ends')
  if (place.hasAdminPages) {
    const page = await (await fetch('http://127.0.0.1:9981/metrics')).text()
    const value = (name: string) => Number(new RegExp(`^spliceway_${name} (\\d+)$`, 'm').exec(page)?.[1])
    t.is(value('sessions_adopted_total\\{from="process"\\}'), count)
    t.is(value('connections_active\\{listener="talk"\\}'), count)
    t.is(value('connections_accepted_total\\{listener="talk"\\}'), 0)
  }
  const listing: { readonly connections: readonly { readonly id: string }[] } = JSON.parse(
    await ask(place.adminSocket, '/connections'),
  )
  const [{ id } = { id: '' }] = listing.connections
  t.is(listing.connections.length, count)
  t.like(JSON.parse(await ask(place.adminSocket, `/connections/${id}`)), { id }, 'by the id that it had')
  t.deepEqual(await talks.finish(), [])
  await next.line(/"msg":"connection"/)
  next.tell('SIGINT')
  t.deepEqual(await next.exit, { code: 0, signal: null })
  const lines = linesOf(next)
  t.is(lines.length, count)
  t.true(lines.every(({ moves, cause }) => moves === 1 && cause === 'none'))
  const sum = (all: readonly number[]) => all.reduce((total, each) => total + each, 0)
  const idBytes = 4 * count
  t.is(sum(lines.map(({ bytesUp }) => bytesUp)), idBytes + sum(talks.all.map(({ client }) => client.sent)))
  t.is(sum(lines.map(({ bytesDown }) => bytesDown)), sum(talks.all.map(({ server }) => server.sent)))
})

test.serial('connections to a UNIX socket move like any other', async (t) => {
  const place = await Succession.open(t)
  const talks = await Conversations.listenAt(place.unixPath, 5)
  t.teardown(() => talks.close())
  const old = await place.start(t, { workers: 1 })
  await old.line(/listening on .* for pool unix/)
  for (const kind of ['idle', 'talk', 'half-server', 'blocked-client', 'blocked-server'] as const)
    await talks.open(kind, 2, place.unixPort, '127.0.0.1')
  const next = await place.start(t, { workers: 2 })
  await next.line(/"msg":"settled: /, 0, patienceMs)
  t.like(JSON.parse(await old.line(/"msg":"moved 10 live connections/)), { left: 0, compared: 0 })
  t.deepEqual(await old.exit, { code: 0, signal: null })
  t.deepEqual(await talks.finish(), [])
  next.tell('SIGINT')
  t.deepEqual(await next.exit, { code: 0, signal: null })
})

for (const [which, old, next] of [
  ['the process before', 'keep', 'move'],
  ['the newcomer', 'move', 'keep'],
] as const) {
  test.serial(`with sessions: keep in ${which} connections stay where they are`, async (t) => {
    const place = await Succession.open(t)
    const before = await place.start(t, { workers: 1, sessions: old })
    await before.line(/listening on/)
    const kept = await LongLived.open(2, place.port)
    const after = await place.start(t, { workers: 1, sessions: next })
    await after.line(/"msg":"settled: /, 0, patienceMs)
    await before.line(/accepting has stopped, 2 connections left/)
    await kept.ask()
    await kept.close()
    t.deepEqual(await before.exit, { code: 0, signal: null })
    after.tell('SIGINT')
    t.deepEqual(await after.exit, { code: 0, signal: null })
  })
}
