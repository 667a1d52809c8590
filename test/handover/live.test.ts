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
