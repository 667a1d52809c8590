import type { Answer, Question } from './children.ts'

/**
 * The child's side: says that it is ready, then answers questions one after the other. Ends with its parent, however that
 * one ends.
 */
export function answering(ready: Answer, answer: (question: Question) => Promise<Answer> | Answer): void {
  process.on('disconnect', () => process.exit())
  process.on('message', (question: Question) => {
    Promise.resolve()
      .then(() => answer(question))
      .catch((error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }))
      .then((reply) => process.send?.(reply))
  })
  process.send?.(ready)
}

/** The port of a script that only serves. */
export function serving(address: unknown): void {
  if (typeof address !== 'object' || address === null || !('port' in address))
    throw new Error('not listening')
  answering({ port: Number(address.port) }, () => ({ error: 'this script only serves' }))
}
