import { exitCode } from './exit-code.ts'
import { loaderOf } from './loader.ts'
import { refuseConfig } from './refuse.ts'

/** `spliceway check FILE`: every problem of a configuration, or what is in it. */
export function check(file: string): number {
  const loaded = loaderOf(file).load()
  if (loaded.kind === 'invalid') return refuseConfig(loaded.message)
  const { listeners, pools } = loaded.config
  const counts = `${listeners.length} listener${listeners.length === 1 ? '' : 's'}, ${pools.length} pool${pools.length === 1 ? '' : 's'}`
  for (const warning of loaded.warnings) process.stderr.write(`${warning}\n`)
  process.stdout.write(`${file} is valid: ${counts}\n`)
  return exitCode.ok
}
