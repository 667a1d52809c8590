import type { PoolSnapshot } from '../core/snapshot.ts'

/** Slots of endpoints that are in `before` and not in `now`. */
export function departed(before: readonly PoolSnapshot[], now: readonly PoolSnapshot[]): readonly number[] {
  const staying = new Set(now.flatMap(({ endpoints }) => endpoints.map(({ slot }) => slot)))
  return before
    .flatMap(({ endpoints }) => endpoints.map(({ slot }) => slot))
    .filter((slot) => !staying.has(slot))
}
