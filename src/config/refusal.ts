/** Why a value was not accepted. */
export interface Refusal {
  readonly kind: 'refused'
  /**
   * What is expected, as a phrase that follows the thing's name: `must be a duration`. Never quotes the
   * value: it may come from a variable.
   */
  readonly message: string
  /** What to write instead. May quote the value: it is not shown when that comes from a variable. */
  readonly hint: string | null
}

export interface Accepted<T> {
  readonly kind: 'accepted'
  readonly value: T
}

export function refuse(message: string, hint: string | null): Refusal {
  return { kind: 'refused', message, hint }
}

export function accept<T>(value: T): Accepted<T> {
  return { kind: 'accepted', value }
}
