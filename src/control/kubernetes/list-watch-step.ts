import type { Failure } from './failure.ts'

/** What to ask the API server next. Versions are opaque. */
export type Step =
  /** `0`: whatever the server's cache has; empty: the newest, by a quorum of etcd; else: that one or a later one. */
  | { readonly kind: 'list'; readonly atLeast: string }
  /** `listed`: the version comes from a list that was made just now. */
  | { readonly kind: 'watch'; readonly from: string; readonly listed: boolean }

export type End =
  | { readonly kind: 'listed'; readonly version: string }
  /** A watch that was heard and ran its time. `version`: the last that it told of. */
  | { readonly kind: 'ended'; readonly version: string }
  /** `version`: how far a watch came; of a list it means nothing. */
  | { readonly kind: 'failed'; readonly failure: Failure; readonly version: string }

export interface Next {
  readonly step: Step
  /** Whether to wait before it. */
  readonly pause: boolean
}

/** The cache of any server will do, and costs etcd nothing: the watch that follows tells what it lacks. */
export const begin: Step = { kind: 'list', atLeast: '0' }

const newest: Step = { kind: 'list', atLeast: '' }

/** What to do after `step` has come to `end`. */
export function following(step: Step, end: End): Next {
  switch (end.kind) {
    case 'listed':
      return { step: { kind: 'watch', from: end.version, listed: true }, pause: false }
    case 'ended':
      return { step: { kind: 'watch', from: end.version, listed: false }, pause: false }
    case 'failed':
      return step.kind === 'list'
        ? afterList(step, end.failure)
        : afterWatch(end.failure, end.version, step.listed)
  }
}

function afterList(step: Step, { kind }: Failure): Next {
  const refusesVersion = kind === 'expired' || kind === 'ahead'
  return { step: refusesVersion ? newest : step, pause: true }
}

function afterWatch(failure: Failure, version: string, listed: boolean): Next {
  switch (failure.kind) {
    // Every server says so after its restart, and its cache can list what is at least as new as what we have. At once,
    // but not for ever: a server that calls its own list's version too old gets the pause.
    case 'expired':
      return { step: { kind: 'list', atLeast: version }, pause: listed }
    // Whoever watches a version that the server has not seen hears nothing, however often. Only a list without a
    // version leads out of that.
    case 'ahead':
    case 'stalled':
    case 'short-watch':
    case 'malformed':
      return { step: newest, pause: true }
    case 'connection':
    case 'timeout':
    case 'credentials':
    case 'unauthorized':
    case 'forbidden':
    case 'throttled':
    case 'refused':
      return { step: { kind: 'watch', from: version, listed: false }, pause: true }
  }
}
