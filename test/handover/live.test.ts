import test from 'ava'
import { LongLived } from './long-lived.ts'
import { Succession } from './succession.ts'

/** A newcomer proves itself for five seconds before connections move. */
const patienceMs = 30_000

test.serial('an idle connection goes on in the next process, and the one before ends', async (t) => {
  const place = await Succession.open(t)
  const old = await place.start(t, { workers: 2 })
  await old.line(/listening on/)
  const kept = await LongLived.open(1, place.port)
  const next = await place.start(t, { workers: 1 })
  await next.line(/"msg":"settled: /, 0, patienceMs)
  await old.line(/"msg":"moved 1 live connection to /)
  t.deepEqual(await old.exit, { code: 0, signal: null })
  await kept.ask()
  t.is(kept.ended, 0)
  await kept.close()
  next.tell('SIGINT')
  t.deepEqual(await next.exit, { code: 0, signal: null })
})
