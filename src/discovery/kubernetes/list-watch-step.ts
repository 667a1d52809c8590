import type { Failure } from './failure.ts'

/** What to ask the API server next. Versions are opaque. */
export type Step =
  /**
   * `0`: whatever the server's cache has; empty: the newest, by a quorum of etcd; else: that one or a later
   * one.
   */
  | { readonly kind: 'list'; readonly atLeast: string }
  /** `listed`: the version comes from a list that was made just now. */
  | { readonly kind: 'watch'; readonly from: string; readonly listed: boolean }

type List = Extract<Step, { kind: 'list' }>
type Watch = Extract<Step, { kind: 'watch' }>

export type End =
  | { readonly kind: 'listed'; readonly version: string }
  /** A watch that was heard and ran its time. `version`: the last that it told of. */
  | { readonly kind: 'ended'; readonly version: string }
  | Failed

export interface Failed {
  readonly kind: 'failed'
  readonly failure: Failure
  /** How far a watch came; of a list it means nothing. */
  readonly version: string
  /** It was a watch that had worked for some time: trying again at once cannot become a tight loop. */
  readonly worked: boolean
}

export interface Next {
  readonly step: Step
  /** Whether to wait before it. */
  readonly pause: boolean
}

/** The cache of any server will do, and costs etcd nothing: the watch that follows tells what it lacks. */
export const begin: Step = { kind: 'list', atLeast: '0' }

const newest: List = { kind: 'list', atLeast: '' }

/** What to do after `step` has come to `end`. */
export function following(step: Step, end: End): Next {
  switch (end.kind) {
    case 'listed':
      return { step: { kind: 'watch', from: end.version, listed: true }, pause: false }
    case 'ended':
      return { step: { kind: 'watch', from: end.version, listed: false }, pause: false }
    case 'failed':
      return step.kind === 'list' ? afterList(step, end.failure) : afterWatch(step, end)
  }
}

/** A server that refuses a version is asked without one, at once the first time. */
function afterList(step: List, { kind }: Failure): Next {
  const refusesVersion = kind === 'expired' || kind === 'ahead'
  return refusesVersion ? { step: newest, pause: step.atLeast === '' } : { step, pause: true }
}

/**
 * Always a list. A client that went on watching from its last version could not tell a server that has
 * nothing to report from one with another history (etcd restored from a backup), which stays silent until the
 * watch's time is over. Such a server refuses a list "not older than" our version within 3 s; any other
 * answers it from its cache.
 */
function afterWatch(step: Watch, { failure, version, worked }: Failed): Next {
  switch (failure.kind) {
    // Every server says so after its restart. But one that calls the version of its own list too old must not
    // be asked in a loop.
    case 'expired':
      return { step: { kind: 'list', atLeast: version }, pause: step.listed && !worked }
    case 'ahead':
    case 'stalled':
    case 'short-watch':
    case 'malformed':
      return { step: newest, pause: !worked }
    case 'connection':
    case 'certificate':
    case 'timeout':
    case 'credentials':
    case 'unauthorized':
    case 'forbidden':
    case 'throttled':
    case 'refused':
      return { step: { kind: 'list', atLeast: version }, pause: !worked }
  }
}
