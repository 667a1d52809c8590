import type { After } from '../core/after.ts'
import { BindError } from './workers/sockets.ts'

const pauseMs = 20

/** Calls `bind` again for `patientMs` when it throws a BindError; then that error is thrown, any other at once. */
export async function bindPatiently(bind: () => void, patientMs: number, after: After): Promise<void> {
  for (let leftMs = patientMs; ; leftMs -= pauseMs) {
    try {
      bind()
      return
    } catch (error) {
      if (!(error instanceof BindError) || leftMs <= 0) throw error
    }
    await new Promise<void>((resolve) => {
      after(pauseMs, resolve)
    })
  }
}
