import { CodedError, type Side } from '../core/coded-error.ts'

/** An error as a log line shows it. */
export interface ErrorFields {
  readonly code?: string
  /** Of an error of our own: core/coded-error.ts. */
  readonly side?: Side
  readonly message: string
  readonly cause?: ErrorFields
  readonly stack?: string
}

/** Longer chains are cut: nobody reads them, and a cause may point back at its effect. */
const maxCauses = 5

/**
 * Code, side, message and causes. An error with a code is an expected one and needs no stack; one without is
 * a bug, and its stack is what somebody will ask for. Anything that is not an error becomes its text.
 */
export function describeError(error: unknown): ErrorFields {
  return describe(error, maxCauses)
}

function describe(error: unknown, depth: number): ErrorFields {
  if (!(error instanceof Error)) return { message: String(error) }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return {
    ...(code === undefined ? {} : { code }),
    ...(error instanceof CodedError ? { side: error.side } : {}),
    message: error.message,
    ...(error.cause === undefined || depth === 0 ? {} : { cause: describe(error.cause, depth - 1) }),
    ...(code === undefined && error.stack !== undefined ? { stack: error.stack } : {}),
  }
}
