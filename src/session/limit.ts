import type { Limit } from '../core/outcome.ts'
import { listenerCell, listenerField, workerCell } from '../core/tally.ts'
import type { Wire } from '../plane/plane.ts'
import type { Entrance, SessionContext } from './context.ts'

/**
 * Which limit is reached, if one is. Other workers' rows are read without a lock, so n workers together may
 * exceed a limit by n - 1 connections.
 */
export function reachedLimit<W extends Wire>(
  { tally }: SessionContext<W>,
  { snapshot, listener }: Entrance,
): Limit | null {
  if (tally.sum(workerCell.active) >= snapshot.maxConnections) return 'limit'
  const { maxConnections } = listener
  if (maxConnections === null) return null
  const active = tally.sum(listenerCell(listener.slot) + listenerField.active)
  return active >= maxConnections ? 'listener-limit' : null
}
