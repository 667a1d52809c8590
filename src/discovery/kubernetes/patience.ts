import type { After } from '../../core/after.ts'
import { type Failure, Impatience } from './failure.ts'

/**
 * A signal that aborts when what is awaited does not come in time, or when everything stops. end() releases
 * it.
 */
export class Patience {
  readonly #after: After
  readonly #stop: AbortSignal
  readonly #own = new AbortController()
  #cancel: () => void = () => {}

  constructor(after: After, stop: AbortSignal) {
    this.#after = after
    this.#stop = stop
    if (stop.aborted) this.#stopped()
    else stop.addEventListener('abort', this.#stopped)
  }

  get signal(): AbortSignal {
    return this.#own.signal
  }

  /**
   * Starts to wait for `ms`; replaces what was awaited before. `otherwise` becomes the signal's reason, as an
   * Impatience.
   */
  expect(ms: number, otherwise: Failure): void {
    this.#cancel()
    this.#cancel = this.#after(ms, () => this.#own.abort(new Impatience(otherwise)))
  }

  end(): void {
    this.#cancel()
    this.#stop.removeEventListener('abort', this.#stopped)
  }

  readonly #stopped = (): void => {
    this.#cancel()
    this.#own.abort(this.#stop.reason)
  }
}
