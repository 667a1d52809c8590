import type { Rejection } from '../core/outcome.ts'
import { add, listenerCell, listenerField, rejectedCell, workerCell } from '../core/tally.ts'
import type { Wire } from '../plane/plane.ts'
import type { Route, SessionContext } from './context.ts'
import { serve } from './serve.ts'

/** Admits an accepted connection and serves it, or resets it when a limit is reached. */
export function accept<W extends Wire>(context: SessionContext<W>, route: Route, downstream: W): void {
  const rejection = reachedLimit(context, route)
  if (rejection !== null) {
    add(context.row, rejectedCell(route.listener.slot, rejection), 1)
    downstream.reset()
    return
  }
  serve(context, route, downstream)
}

/**
 * Which limit is reached, if one is. Other workers' rows are read without a lock: with n workers a limit may be passed by
 * n - 1 connections.
 */
export function reachedLimit<W extends Wire>(
  { tally }: SessionContext<W>,
  { snapshot, listener }: Route,
): Rejection | null {
  if (tally.sum(workerCell.active) >= snapshot.maxConnections) return 'limit'
  const { maxConnections } = listener
  if (maxConnections === null) return null
  const active = tally.sum(listenerCell(listener.slot) + listenerField.active)
  return active >= maxConnections ? 'listener-limit' : null
}
