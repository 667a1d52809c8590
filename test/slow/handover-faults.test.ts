import test, { type ExecutionContext } from 'ava'
import { handOverWithFault, pause, sides, signals, steps, strike } from '../handover/faults.ts'
import { answers, type Figures, Load } from '../handover/load.ts'
import { Succession } from '../handover/succession.ts'
import { Program } from '../helpers/program.ts'

/** A process that has just taken over proves itself before it hands over, and the machine may be busy. */
const patienceMs = 30_000
const role = { workers: 2, notReadyDelay: '100ms' }

for (const plane of ['auto', 'net'] as const) {
  for (const side of sides) {
    for (const signal of signals) {
      for (const step of steps) {
        const who = `${signal} for the ${side} one`
        test.serial(`${plane}: ${who} at "${step}": one serves in the end, nobody is refused`, async (t) => {
          t.timeout(90_000)
          const place = await Succession.open(t)
          const { figures, struck, survivor, code } = await handOverWithFault(
            t,
            place,
            { side, step, signal },
            { ...role, plane },
          )
          t.log(`${survivor} serves, the other one ended with ${code}; ${JSON.stringify(figures)}`)
          nobodyIsRefused(t, figures, signal, struck)
          if (signal === 'SIGKILL') t.is(code, null)
          if (signal === 'SIGTERM') t.is(code, 0)
          if (signal !== 'SIGSTOP') t.is(survivor, side === 'old' ? 'new' : 'old')
        })
      }
    }
  }
}

for (const signal of signals) {
  for (const moment of ['waits', 'has the sockets', 'accepts'] as const) {
    test.serial(
      `three in a chain, ${signal} for the one in the middle while the last one ${moment}: one serves in the end`,
      async (t) => {
        t.timeout(120_000)
        const place = await Succession.open(t)
        const a = await place.start(t, role)
        await a.line(/listening on/)
        const load = new Load(place.port, 50)
        t.teardown(() => load.stop())
        const b = await place.start(t, role)
        await b.line(/"msg":"took over from/, 0, patienceMs)
        const c = await place.start(t, role)
        // On a busy machine it comes when there is nothing to wait for any more.
        const given = b.line(/"msg":"handing over to/, 0, patienceMs)
        given.catch(() => {}) // it may be killed before
        if (moment === 'waits')
          await Promise.race([c.line(/waiting until that is settled/, 0, patienceMs), given])
        else
          await b.line(
            moment === 'accepts' ? /"msg":"handed over to/ : /"msg":"handing over to/,
            0,
            patienceMs,
          )
        const struck = load.open
        await strike(b, signal)
        await oneIsLeft(t, [a, b, c])
        t.true(await answers(place.port))
        const figures = await load.stop()
        t.log(JSON.stringify(figures))
        nobodyIsRefused(t, figures, signal, struck)
      },
    )
  }
}

/** A process that is killed takes the connections with it that it has at that moment: of 50 a second, a few more than were `struck`. */
function nobodyIsRefused(t: ExecutionContext, figures: Figures, signal: string, struck: number): void {
  t.is(figures.refused, 0)
  if (signal === 'SIGKILL') t.true(figures.reset + figures.unanswered <= struck + 10)
  else t.like(figures, { reset: 0, unanswered: 0 })
}

async function oneIsLeft(t: ExecutionContext, programs: readonly Program[]): Promise<void> {
  const ended = new Set<Program>()
  for (const program of programs) void program.exit.then(() => ended.add(program))
  for (let tries = 0; ended.size < programs.length - 1 && tries < 400; tries++) await pause(100)
  await pause(500)
  const said = programs.flatMap(({ lines }, i) => ['', `${i + 1}:`, ...lines])
  t.is(programs.length - ended.size, 1, said.join('\n'))
}

test.serial('a stranger who tries all the time does not get the name between two processes', async (t) => {
  t.timeout(120_000)
  const place = await Succession.open(t)
  const script = `
    let tries = 0
    const squat = () => {
      const server = require('node:net').createServer()
      server.on('error', () => { if (++tries % 500 === 0) console.log('tries', tries); setTimeout(squat, 1) })
      server.listen('\\0${place.name}', () => console.log('mine'))
    }
    squat()`
  const command = place.asStranger(process.execPath, '-e', script)
  if (command === null) {
    t.log('skipped: needs root')
    t.pass()
    return
  }
  let serving = await place.start(t, role)
  await serving.line(/listening on/)
  const stranger = await Program.start(command)
  t.teardown(() => stranger.kill())
  await stranger.line(/tries 500/)
  for (const kill of [false, false, true, false]) {
    const next = await place.start(t, role)
    await next.line(/"msg":"took over from/, 0, patienceMs)
    if (kill) {
      await next.kill()
      await serving.line(/this process accepts again/)
    } else {
      await next.line(/"msg":"settled: /, 0, patienceMs)
      t.is((await serving.exit).code, 0)
      serving = next
    }
    t.true(place.nameIsHeld)
  }
  const from = stranger.lines.length
  await stranger.line(/tries/, from) // it still tries
  t.deepEqual(
    stranger.lines.filter((line) => line === 'mine'),
    [],
  )
})
