/**
 * The control plane's clock: calls `fire` once, `ms` from now, unless the returned function was called
 * before.
 */
export type After = (ms: number, fire: () => void) => () => void
