import type { Config } from './config.ts'

/** Where a configuration comes from. */
export interface ConfigSource {
  /** `config/edge.yaml`, or `command line`. */
  readonly name: string
  /** Reads it again; null: it cannot change. */
  readonly load: (() => Loaded) | null
}

/** A configuration, or what is wrong with it; the texts are what a user sees. */
export type Loaded =
  | { readonly kind: 'ok'; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly kind: 'invalid'; readonly message: string }
