import type { ExecutionContext } from 'ava'
import { answers } from './load.ts'
import type { Succession } from './succession.ts'

/** Where the hand-over stood when one side was killed, as the lines of both tell. */
export type Moment = 'before it' | 'sockets given' | 'accepting'

export interface Crash {
  readonly killed: 'old' | 'new'
  readonly moment: Moment
  /** From the kill to the first answer. */
  readonly answeredMs: number
}

/** The port may be closed for as long as a process needs to start on a busy machine. */
const patienceMs = 30_000

/**
 * Kills one of the two processes at a random moment of the hand-over, `count` times, and sees the other one serve. `seed`
 * makes it the same sequence of sides and moments.
 */
export async function crashes(
  t: ExecutionContext,
  place: Succession,
  count: number,
  seed: number,
): Promise<readonly Crash[]> {
  const random = seeded(seed)
  const workers = () => 1 + Math.floor(random() * 4)
  let serving = await place.start(t, { workers: workers() })
  await serving.line(/listening on/)
  const made: Crash[] = []
  for (let i = 0; i < count; i++) {
    await until(() => place.nameIsHeld)
    const from = serving.lines.length
    const next = await place.start(t, { workers: workers() })
    const killed = random() < 0.5 ? 'old' : 'new'
    // Every other time at once, somewhere in its start, else when the sockets are on their way, where it is dangerous.
    if (random() < 0.4) await pause(random() * 200)
    else {
      await serving.line(/"msg":"handing over to/, from, 2 * patienceMs)
      await pause(random() * 150)
    }
    const [victim, survivor] = killed === 'old' ? [serving, next] : [next, serving]
    const killedMs = performance.now()
    await victim.kill()
    await until(() => answers(place.port))
    made.push({
      killed,
      moment: momentOf(serving.lines.slice(from)),
      answeredMs: Math.round(performance.now() - killedMs),
    })
    await until(async () => {
      for (let n = 0; n < 20; n++) if (!(await answers(place.port))) return false
      return true
    })
    serving = survivor
  }
  return made
}

/** By the lines of the old process. */
function momentOf(lines: readonly string[]): Moment {
  if (lines.some((line) => line.includes('"msg":"handed over to'))) return 'accepting'
  return lines.some((line) => line.includes('"msg":"handing over to')) ? 'sockets given' : 'before it'
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + patienceMs
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${patienceMs} ms for: ${condition}`)
    await pause(5)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** mulberry32: numbers from 0 to below 1. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** `old killed when accepting: 7, answered after at most 12 ms`, a line for each kind. */
export function summary(made: readonly Crash[]): string[] {
  const kinds = Map.groupBy(made, ({ killed, moment }) => `${killed} killed, ${moment}`)
  return [...kinds].map(([kind, all]) => {
    const slowest = Math.max(...all.map(({ answeredMs }) => answeredMs))
    return `${kind}: ${all.length}, answered after at most ${slowest} ms`
  })
}
