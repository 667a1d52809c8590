import { exitCode } from './exit-code.ts'
import { loaderOf } from './loader.ts'
import { refuseConfig } from './refuse.ts'

/**
 * `spliceway check FILE`: every problem of a configuration, or what is in it. `explain`: and what it needs of
 * the host.
 */
export async function check(file: string, explain: boolean): Promise<number> {
  const loaded = loaderOf(file).load()
  if (loaded.kind === 'invalid') return refuseConfig(loaded.message)
  const { listeners, pools } = loaded.config
  const counts = `${listeners.length} listener${listeners.length === 1 ? '' : 's'}, ${pools.length} pool${pools.length === 1 ? '' : 's'}`
  for (const warning of loaded.warnings) process.stderr.write(`${warning}\n`)
  process.stdout.write(`${file} is valid: ${counts}\n`)
  if (explain) {
    const { explainRules } = await import('./explain-rules.ts')
    process.stdout.write(`\n${await explainRules(loaded.config)}`)
  }
  return exitCode.ok
}
