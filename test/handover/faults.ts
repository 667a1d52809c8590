import type { ExecutionContext } from 'ava'
import type { Program } from '../helpers/program.ts'
import { answers, type Figures, Load } from './load.ts'
import type { Role, Succession } from './succession.ts'

export const steps = ['sockets given', 'released', 'probation'] as const
/** How far a hand-over has come, as the lines of both tell. */
export type Step = (typeof steps)[number]
export const sides = ['old', 'new'] as const
export const signals = ['SIGTERM', 'SIGSTOP', 'SIGKILL'] as const

export interface Fault {
  readonly side: (typeof sides)[number]
  readonly step: Step
  readonly signal: (typeof signals)[number]
}

/** Longer than the silence that counts as a hang. */
const stoppedMs = 4_500
/** A process that has to go ends when its last connection has, and a machine may be busy. */
const patienceMs = 30_000
const perSecond = 50

export interface Outcome {
  readonly figures: Figures
  /** Connections that had no answer yet when the fault struck. */
  readonly struck: number
  readonly survivor: Fault['side']
  /** Exit code of the one that ended; null: it was killed. */
  readonly code: number | null
}

/** One hand-over under load, with one fault. Resolves when exactly one process is left, and it answers. */
export async function handOverWithFault(
  t: ExecutionContext,
  place: Succession,
  fault: Fault,
  role: Role,
): Promise<Outcome> {
  const old = await place.start(t, role)
  await old.line(/listening on/)
  const load = new Load(place.port, perSecond)
  t.teardown(() => load.stop())
  const next = await place.start(t, role)
  await reached(fault.step, old, next)
  const victim = fault.side === 'old' ? old : next
  const struck = load.open
  await strike(victim, fault.signal)
  const [ended, survivor] = await firstExit(old, next)
  for (let n = 0; n < 20; n++)
    if (!(await answers(place.port))) throw new Error('the survivor does not answer')
  const figures = await load.stop()
  await survivor.kill()
  return { figures, struck, survivor: survivor === old ? 'old' : 'new', code: ended.code }
}

/** Stops it for a while, or for good. */
export async function strike(victim: Program, signal: Fault['signal']): Promise<void> {
  victim.signal(signal)
  if (signal !== 'SIGSTOP') return
  await pause(stoppedMs)
  victim.signal('SIGCONT')
}

/** How the first of them ended, and the other one, which lives. */
async function firstExit(a: Program, b: Program) {
  const late = pause(patienceMs).then(() => {
    throw new Error(`two processes are left; they said:\n${[...a.lines, '', ...b.lines].join('\n')}`)
  })
  const [exit, survivor] = await Promise.race([
    a.exit.then((exit) => [exit, b] as const),
    b.exit.then((exit) => [exit, a] as const),
    late,
  ])
  const both = await Promise.race([survivor.exit.then(() => true), pause(500).then(() => false)])
  if (both) throw new Error(`none is left; they said:\n${[...a.lines, '', ...b.lines].join('\n')}`)
  return [exit, survivor] as const
}

async function reached(step: Step, old: Program, next: Program): Promise<void> {
  switch (step) {
    case 'sockets given':
      await old.line(/"msg":"handing over to/, 0, patienceMs)
      return
    case 'released':
      await old.line(/"msg":"handed over to/, 0, patienceMs)
      return
    case 'probation':
      await next.line(/"msg":"took over from/, 0, patienceMs)
      await pause(1_000)
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
