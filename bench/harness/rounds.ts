import type { Progress } from './progress.ts'

/** One measurement of one contender: figures by name. */
export type Sample = Readonly<Record<string, number>>

/** All samples of a part, by contender; index i of each list comes from round i. */
export type Samples = ReadonlyMap<string, readonly Sample[]>

/**
 * Measures every contender once a round, so that a slow minute of the machine hits all of them; each round begins with
 * another one, and every other round goes backwards, so that nobody always follows the same neighbour. `warmUp` runs once
 * a contender before: a just-in-time compiler needs it.
 */
export async function inRounds<C extends { readonly name: string }>(
  progress: Progress,
  contenders: readonly C[],
  rounds: number,
  warmUp: (contender: C) => Promise<unknown>,
  measure: (contender: C) => Promise<Sample>,
): Promise<Samples> {
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]))
  progress.warming(contenders.length)
  for (const contender of contenders) await warmUp(contender)
  for (let round = 0; round < rounds; round++) {
    progress.round(round, rounds)
    const first = round % contenders.length
    const order = [...contenders.slice(first), ...contenders.slice(0, first)]
    if (round % 2 === 1) order.reverse()
    for (const contender of order) samples.get(contender.name)?.push(await measure(contender))
  }
  progress.measured()
  return samples
}
