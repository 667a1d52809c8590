import type { Cause, Phase } from '../core/outcome.ts'
import {
  add,
  closedCell,
  durationHistogram,
  listenerCell,
  listenerField,
  observe,
  workerCell,
} from '../core/tally.ts'

/** A connection of the listener in `slot` is here, in the numbers of this worker. */
export function countIn(row: Float64Array, slot: number): void {
  const cells = listenerCell(slot)
  add(row, workerCell.active, 1)
  add(row, cells + listenerField.accepted, 1)
  add(row, cells + listenerField.active, 1)
}

/** A connection that another process had goes on here. */
export function countAdopted(row: Float64Array, slot: number): void {
  const cells = listenerCell(slot)
  add(row, workerCell.active, 1)
  add(row, cells + listenerField.adopted, 1)
  add(row, cells + listenerField.active, 1)
}

/** A connection of a worker that died goes on in this one. */
export function countSaved(row: Float64Array, slot: number): void {
  add(row, workerCell.active, 1)
  add(row, listenerCell(slot) + listenerField.active, 1)
}

/** It goes on in another process. */
export function countMoved(row: Float64Array, slot: number): void {
  const cells = listenerCell(slot)
  add(row, workerCell.active, -1)
  add(row, cells + listenerField.moved, 1)
  add(row, cells + listenerField.active, -1)
}

/** It has gone, after `durationMs`. */
export function countOut(
  row: Float64Array,
  slot: number,
  cause: Cause,
  phase: Phase,
  durationMs: number,
): void {
  add(row, workerCell.active, -1)
  add(row, listenerCell(slot) + listenerField.active, -1)
  add(row, closedCell(slot, cause, phase), 1)
  observe(row, durationHistogram, durationMs / 1000)
}
