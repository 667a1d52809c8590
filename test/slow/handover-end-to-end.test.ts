import test from 'ava'
import { crashes, summary } from '../handover/crashes.ts'
import { handOverWithFault } from '../handover/faults.ts'
import { handOver } from '../handover/hand-over.ts'
import { Load } from '../handover/load.ts'
import { LongLived } from '../handover/long-lived.ts'
import { Succession } from '../handover/succession.ts'

// The complete version is in test/slow.
for (const plane of ['auto', 'net'] as const) {
  test.serial(
    `${plane}: two hand-overs under load lose nothing, whatever the numbers of workers`,
    async (t) => {
      const place = await Succession.open(t)
      const roles = [1, 4, 2].map((workers) => ({ workers, plane }))
      const toll = await handOver(t, place, { roles, perSecond: 200, longLived: 20 })
      t.log(JSON.stringify(toll))
      t.like(toll, { refused: 0, reset: 0, late: 0, unanswered: 0, cut: 0 })
      t.is(toll.served, toll.made)
      t.true(toll.made > 100)
    },
  )
}

test.serial(
  'a process that is killed in the middle of a hand-over leaves the other one serving',
  async (t) => {
    const place = await Succession.open(t)
    const made = await crashes(t, place, 6, 3)
    for (const line of summary(made)) t.log(line)
    t.is(made.length, 6)
  },
)

test.serial(
  'the old process says that it drains, keeps its connections over SIGTERM, and ends with the last one',
  async (t) => {
    const place = await Succession.open(t)
    const old = await place.start(t, { workers: 2, adminPort: 9982 })
    await old.line(/listening on/)
    const kept = await LongLived.open(5, place.port)
    const next = await place.start(t, { workers: 1 })
    await next.line(/"msg":"took over from/)
    if (place.hasAdminPages) {
      const page = await fetch('http://127.0.0.1:9982/readyz')
      t.deepEqual([page.status, await page.text()], [503, 'draining\n'])
      await next.line(/admin page open/)
      t.is((await fetch('http://127.0.0.1:9981/readyz')).status, 200)
    }
    old.tell('SIGTERM')
    await old.line(/accepting has stopped, 5 connections left/)
    await kept.ask()
    await kept.close()
    t.deepEqual(await old.exit, { code: 0, signal: null })
    await next.line(/"msg":"settled: /)
    next.tell('SIGINT')
    t.deepEqual(await next.exit, { code: 0, signal: null })
  },
)

test.serial(
  'in a Pod, where an exit is followed by a start, a process that has handed over waits for SIGTERM',
  async (t) => {
    const place = await Succession.open(t)
    const env = { KUBERNETES_SERVICE_HOST: '192.0.2.1' }
    const old = await place.start(t, { workers: 1, env })
    await old.line(/listening on/)
    const next = await place.start(t, { workers: 1, env })
    await next.line(/"msg":"took over from/)
    await old.line(/handed over and drained: waits for SIGTERM/)
    old.tell('SIGTERM')
    t.deepEqual(await old.exit, { code: 0, signal: null })
    next.tell('SIGINT')
    t.deepEqual(await next.exit, { code: 0, signal: null })
  },
)

// Every step, signal and side is in test/slow.
for (const signal of ['SIGTERM', 'SIGSTOP'] as const) {
  test.serial(
    `${signal} for the newcomer in its probation: the old one serves, nobody is refused`,
    async (t) => {
      const place = await Succession.open(t)
      const fault = { side: 'new', step: 'probation', signal } as const
      const { figures, survivor, code } = await handOverWithFault(t, place, fault, { workers: 2 })
      t.log(JSON.stringify(figures))
      t.is(survivor, 'old')
      t.is(code, signal === 'SIGTERM' ? 0 : 1)
      t.like(figures, { refused: 0, unanswered: 0, reset: 0 })
    },
  )
}

test.serial(
  'a newcomer that cannot have its admin socket ends before it accepts, and says why',
  async (t) => {
    const place = await Succession.open(t)
    const old = await place.start(t, { workers: 1 })
    await old.line(/listening on/)
    const load = new Load(place.port, 50)
    t.teardown(() => load.stop())
    const next = await place.start(t, { workers: 1, adminSocket: '/nowhere/at/all.sock' })
    await next.line(/the admin socket \/nowhere\/at\/all\.sock cannot be bound \(ENOENT\)/)
    t.deepEqual(await next.exit, { code: 1, signal: null })
    await old.line(/has not taken over: it did not begin to accept \(gone\); this process serves on/)
    const figures = await load.stop()
    t.like(figures, { refused: 0, reset: 0, unanswered: 0 })
    t.false(old.lines.some((line) => line.includes('handed over to')))
  },
)
