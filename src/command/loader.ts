import { readFileSync } from 'node:fs'
import type { Loaded } from '../config/loaded.ts'
import { parseConfig } from '../config/parse.ts'
import { renderProblem } from '../config/problem.ts'
import type { Parsed } from '../config/resolve.ts'

/** $CONFIGURATION_DIRECTORY is systemd's ConfigurationDirectory=. */
export function defaultFile(): string {
  return `${process.env.CONFIGURATION_DIRECTORY ?? '/etc/spliceway'}/spliceway.yaml`
}

export interface Loader {
  /** Reads and parses the file at each call. */
  readonly load: () => Loaded
  /** What it read last. */
  readonly text: () => string
}

/** `hint`: what to do when the file cannot be read. */
export function loaderOf(file: string, hint = ''): Loader {
  let text = ''
  const load = (): Loaded => {
    try {
      text = readFileSync(file, 'utf8')
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return { kind: 'invalid', message: `error: cannot read ${file}: ${reason}${hint}` }
    }
    return rendered(parseConfig(text, { file, env: process.env }))
  }
  return { load, text: () => text }
}

/** With problems and warnings as a user sees them. */
export function rendered(parsed: Parsed): Loaded {
  if (parsed.kind === 'ok') {
    const { config, warnings, written } = parsed
    const shown = warnings.map((warning) => renderProblem(warning, 'warning'))
    return { kind: 'ok', config, warnings: shown, written }
  }
  return { kind: 'invalid', message: parsed.problems.map((problem) => renderProblem(problem)).join('\n\n') }
}
