import type { Config } from './config.ts'
import type { Written } from './written.ts'

/** Where a configuration comes from. */
export interface ConfigSource {
  /** `config/edge.yaml`, or `command line`. */
  readonly name: string
  /** Reads it again; null: it cannot change. */
  readonly load: (() => Loaded) | null
  /** What the program began with; absent where nobody wrote it. */
  readonly begun?: Written
}

/** A configuration, or what is wrong with it; the texts are what a user sees. */
export type Loaded =
  | {
      readonly kind: 'ok'
      readonly config: Config
      readonly warnings: readonly string[]
      /** Absent where nobody wrote it. */
      readonly written?: Written
    }
  | { readonly kind: 'invalid'; readonly message: string }
