import type { ListenerConfig } from '../config/config.ts'
import { ListenerRules } from '../control/listener-rules.ts'
import { exitCode } from './exit-code.ts'
import { loaderOf } from './loader.ts'
import { refuseConfig } from './refuse.ts'

/**
 * `spliceway check FILE`: every problem of a configuration, of the lists in its files too, or what is in it.
 * `explain`: and what it needs of the host.
 */
export async function check(file: string, explain: boolean): Promise<number> {
  const loaded = loaderOf(file).load()
  if (loaded.kind === 'invalid') return refuseConfig(loaded.message)
  const { listeners, pools } = loaded.config
  const lists = await readLists(listeners)
  if (lists.fault !== null) return refuseConfig(lists.fault)
  const counts = `${listeners.length} listener${listeners.length === 1 ? '' : 's'}, ${pools.length} pool${pools.length === 1 ? '' : 's'}`
  for (const warning of [...loaded.warnings, ...lists.warnings]) process.stderr.write(`${warning}\n`)
  process.stdout.write(`${file} is valid: ${counts}\n`)
  if (explain) {
    const { explainRules } = await import('./explain-rules.ts')
    process.stdout.write(`\n${await explainRules(loaded.config)}`)
  }
  return exitCode.ok
}

/** Reads the files that hold `allow` and `deny`, as a start would. */
async function readLists(
  listeners: readonly ListenerConfig[],
): Promise<{ readonly fault: string | null; readonly warnings: readonly string[] }> {
  const warnings: string[] = []
  const log = {
    info() {},
    warn: (_: object, message: string) => void warnings.push(`warning: ${message}`),
    error() {}, // the fault says it
  }
  // Nothing is read twice: a timer never fires.
  const rules = new ListenerRules({ log, after: () => () => {}, changed() {} })
  const prepared = await rules.prepare(listeners)
  if (prepared.kind === 'faulty')
    return { fault: prepared.message.replaceAll(/^(?=listener )/gm, 'error: '), warnings }
  prepared.drop()
  return { fault: null, warnings }
}
