import { maxEndpoints, maxListeners } from './tally.ts'

/**
 * Where connections count that another process began, to listeners and endpoints that this one does not
 * have: a slot behind all others, which no metric has a label for.
 */
export const goneListener = maxListeners
/** By `onRemoval` of their pool. */
export const goneEndpoint = { keep: maxEndpoints, close: maxEndpoints + 1 } as const
