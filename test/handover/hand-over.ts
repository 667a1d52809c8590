import type { ExecutionContext } from 'ava'
import type { Program } from '../helpers/program.ts'
import type { Figures } from './load.ts'
import { Load } from './load.ts'
import { LongLived } from './long-lived.ts'
import type { Role, Succession } from './succession.ts'

export interface Season {
  /** Roles of the processes, one after the other; the first one starts from nothing. */
  readonly roles: readonly Role[]
  readonly perSecond: number
  readonly longLived: number
}

/** A process that has just taken over proves itself before it hands over. */
const patienceMs = 30_000

/** What a season of hand-overs cost. */
export interface Toll extends Figures {
  readonly perSecond: number
  /** Long-lived connections that ended by themselves. */
  readonly cut: number
  /** From the greeting to the last word, as the newcomers logged it. */
  readonly handoverMs: readonly number[]
}

/**
 * Lets each process of the season take over from the one before, under load. Every process has its long-lived connections,
 * which are asked after they have lost their listener; then they end, and their process has to exit with code 0.
 */
export async function handOver(t: ExecutionContext, place: Succession, season: Season): Promise<Toll> {
  const [first, ...others] = season.roles
  if (first === undefined) throw new Error('a season without a process')
  let serving = await place.start(t, first)
  await serving.line(/listening on/)
  const load = new Load(place.port, season.perSecond)
  const exits: Program['exit'][] = []
  const handoverMs: number[] = []
  let cut = 0
  let longLived = await LongLived.open(season.longLived, place.port)
  for (const role of others) {
    const next = await place.start(t, role)
    const line: { ms: number } = JSON.parse(await next.line(/"msg":"took over from/, 0, patienceMs))
    handoverMs.push(line.ms)
    await serving.line(/"msg":"handed over to/)
    await longLived.ask()
    cut += longLived.ended
    const newcomers = await LongLived.open(season.longLived, place.port)
    await longLived.close()
    exits.push(serving.exit)
    serving = next
    longLived = newcomers
  }
  const figures = await load.stop()
  await longLived.close()
  await serving.line(/"msg":"settled: /, 0, patienceMs) // until then the one before would serve again
  serving.tell('SIGINT')
  exits.push(serving.exit)
  for (const exit of await Promise.all(exits)) t.deepEqual(exit, { code: 0, signal: null })
  return { ...figures, cut, handoverMs }
}
