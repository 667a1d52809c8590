import { readFileSync } from 'node:fs'
import test from 'ava'
import { type Conversation, Conversations, seeded } from '../handover/conversations.ts'
import { Load } from '../handover/load.ts'
import { Succession } from '../handover/succession.ts'

const updates = Number(process.env.SPLICEWAY_MOVES_UPDATES ?? 3)
const idle = Number(process.env.SPLICEWAY_MOVES_IDLE ?? 300)
const talkers = Number(process.env.SPLICEWAY_MOVES_TALKERS ?? 40)
const bulk = Number(process.env.SPLICEWAY_MOVES_BULK ?? 4)
const perSecond = Number(process.env.SPLICEWAY_MOVES_LOAD ?? 50)
const kills = Number(process.env.SPLICEWAY_MOVES_KILLS ?? 3)
const seed = Number(process.env.SPLICEWAY_MOVES_SEED ?? 7)
/** A newcomer proves itself for five seconds before connections move. */
const patienceMs = 60_000

test.serial(`${updates} updates in a row cut no connection and spoil no byte`, async (t) => {
  t.timeout(40_000 + updates * 15_000)
  const place = await Succession.open(t)
  const talks = await Conversations.listen(place.talkHost, place.talkBackendPort, 1)
  t.teardown(() => talks.close())
  let serving = await place.start(t, { workers: 2 })
  await serving.line(/listening on .* for pool talk/)
  const open = (kind: Parameters<Conversations['open']>[0], count: number) =>
    talks.open(kind, count, place.talkPort, place.talkHost)
  await open('idle', idle)
  await open('talk', talkers)
  for (const kind of ['half-client', 'half-server', 'blocked-client', 'blocked-server'] as const)
    await open(kind, 10)
  await open('bulk', bulk)
  const load = new Load(place.port, perSecond)
  const memory: number[] = []
  for (let i = 0; i < updates; i++) {
    const next = await place.start(t, { workers: [1, 4, 2][i % 3] ?? 1 })
    const settled = await Promise.race([
      next.line(/"msg":"settled: /, 0, patienceMs),
      next.exit.then(({ code }) =>
        Promise.reject(new Error(`the newcomer ended with ${code}: ${next.lines.join('\n')}`)),
      ),
    ])
    t.truthy(settled)
    const settledMs = performance.now()
    const exit = await serving.exit
    const goneMs = performance.now() - settledMs
    t.deepEqual(exit, { code: 0, signal: null })
    const line = serving.lines.find((each) => each.includes('"msg":"moved ')) ?? '{}'
    const { connections, batches, compared, mismatches, longestMs, ms } = JSON.parse(line)
    t.is(mismatches, 0)
    memory.push(rssMiB(next.pid))
    t.log(
      JSON.stringify({
        connections,
        batches,
        compared,
        longestMs,
        ms,
        goneMs: Math.round(goneMs),
        longestGapMs: Math.round(talks.longestGapMs),
        rssMiB: memory.at(-1),
      }),
    )
    talks.resetGaps()
    serving = next
  }
  const figures = await load.stop()
  t.log(JSON.stringify(figures))
  const faults = await talks.finish()
  t.deepEqual(faults.slice(0, 10), [])
  t.like(figures, { refused: 0, reset: 0, unanswered: 0 })
  serving.tell('SIGINT')
  t.deepEqual(await serving.exit, { code: 0, signal: null })
})

test.serial(`either process killed at ${kills} moments of a move spoils no byte`, async (t) => {
  t.timeout(40_000 + kills * 20_000)
  const place = await Succession.open(t)
  const random = seeded(seed)
  let serving = await place.start(t, { workers: 2 })
  await serving.line(/listening on .* for pool talk/)
  const tally = { whole: 0, reset: 0, fin: 0 }
  const moments: string[] = []
  for (let i = 0; i < kills; i++) {
    const talks = await Conversations.listen(place.talkHost, place.talkBackendPort, seed + i)
    const open = (kind: Parameters<Conversations['open']>[0], count: number) =>
      talks.open(kind, count, place.talkPort, place.talkHost)
    await open('idle', 200)
    await open('talk', 20)
    for (const kind of ['half-client', 'blocked-client', 'blocked-server'] as const) await open(kind, 5)
    const next = await place.start(t, { workers: 1 + Math.floor(random() * 4) })
    await serving.line(/"msg":"draining: not ready/, 0, patienceMs)
    const [killed, afterMs] = [random() < 0.5 ? 'old' : 'new', Math.floor(random() * 120)] as const
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    const [victim, survivor] = killed === 'old' ? [serving, next] : [next, serving]
    await victim.kill()
    if (killed === 'new') {
      // The one before has let its listening sockets go: it ends with its connections, and another one begins.
      await Promise.all(talks.all.map((each) => finishOrEnd(each)))
      t.deepEqual(await survivor.exit, { code: 0, signal: null })
      serving = await place.start(t, { workers: 2 })
      await serving.line(/listening on .* for pool talk/)
    } else {
      await Promise.all(talks.all.map((each) => finishOrEnd(each)))
      serving = survivor
    }
    const before = { ...tally }
    for (const { client, server, fault, kind, id } of talks.all) {
      t.is(client.wrongAt, -1, `${kind} ${id}`)
      t.is(server.wrongAt, -1, `${kind} ${id}`)
      if (fault === null) tally.whole++
      else if (client.ended === 'rst' || server.ended === 'rst') tally.reset++
      else tally.fin++
    }
    moments.push(
      `${killed} killed after ${afterMs} ms: ${tally.whole - before.whole} whole, ` +
        `${tally.reset - before.reset} reset, ${tally.fin - before.fin} ended by the kernel`,
    )
    talks.close()
  }
  for (const moment of moments) t.log(moment)
  t.log(JSON.stringify(tally))
  t.true(tally.whole > 0)
  serving.tell('SIGINT')
  t.deepEqual(await serving.exit, { code: 0, signal: null })
})

/** Says the last word on both sides, and waits for both ends, however they come. */
async function finishOrEnd(conversation: Conversation): Promise<void> {
  const { client, server } = conversation
  await conversation.finish()
  for (const { socket } of [client, server]) socket.destroy()
}

function rssMiB(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Math.round(Number(kib) / 1024)
}
