import type { After } from '../../core/after.ts'
import type { AddressRecord, Queried, Query } from './query.ts'

/** The records that hold addresses: IPv4 and IPv6. */
export type Family = 'A' | 'AAAA'

/** What was said of each family; null: it has not answered in time. */
export type Told = Readonly<Record<Family, Queried<AddressRecord> | null>>

/** When one family has answered, the other one has this long: some name servers never answer for AAAA. */
export const graceMs = 500

/** The answer of a name without records of a family. */
const notAsked: Promise<Queried<never>> = Promise.resolve({ kind: 'failed', code: 'ENODATA', reason: '' })

/**
 * Asks for the addresses of a name. A family that is not in `families` counts as one without records. Never
 * rejects.
 */
export async function askFamilies(
  query: Query,
  name: string,
  families: readonly Family[],
  after: After,
): Promise<Told> {
  const ask = (family: Family): Promise<Queried<AddressRecord>> =>
    families.includes(family) ? query.addresses(name, family) : notAsked
  const [a, aaaa] = [ask('A'), ask('AAAA')]
  const first = await Promise.race([a, aaaa])
  if (first.kind === 'failed') return { A: await a, AAAA: await aaaa }
  const { promise: grace, resolve } = Promise.withResolvers<null>()
  const cancel = after(graceMs, () => resolve(null))
  const [A, AAAA] = await Promise.all([Promise.race([a, grace]), Promise.race([aaaa, grace])])
  cancel()
  return { A, AAAA }
}

/** The name is not there, or has no such records: said by a server that knows. */
export function isAbsent(code: string): boolean {
  return code === 'ENOTFOUND' || code === 'ENODATA'
}

/** Why no family has addresses: a failure before an absence. null: one has some. */
export function failureOf({ A, AAAA }: Told): Extract<Queried<never>, { kind: 'failed' }> | null {
  const failed = [A, AAAA].flatMap((found) =>
    found?.kind === 'failed' && found.reason !== '' ? [found] : [],
  )
  if (A?.kind === 'found' || AAAA?.kind === 'found') return null
  return failed.find(({ code }) => !isAbsent(code)) ?? failed[0] ?? null
}
