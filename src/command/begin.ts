import { resolve } from 'node:path'
import { parseForwards } from '../config/forward.ts'
import type { ConfigSource, Loaded } from '../config/loaded.ts'
import { entitle } from './entitle.ts'
import { defaultFile, loaderOf, rendered } from './loader.ts'
import { refuseConfig, refuseUsage } from './refuse.ts'

/** `spliceway run`: runs with a file; undefined: the usual one. Resolves to the exit code. */
export async function runFile(file: string = defaultFile()): Promise<number> {
  const { load, text } = loaderOf(file, '\n = name another with -c FILE')
  const loaded = load()
  if (loaded.kind === 'invalid') return refuseConfig(loaded.message)
  entitle(`run ${resolve(file)}`)
  const { run } = await import('./run.ts')
  return run({ loaded, source: { name: file, load, ...begun(loaded) }, file: { path: file, text } })
}

/** `spliceway forward`: runs with what the command line says. Resolves to the exit code. */
export async function forward(args: readonly string[]): Promise<number> {
  const none = args.find((arg) => !arg.includes('='))
  if (none !== undefined)
    return refuseUsage(`\`${none}\` is no forward: PORT=ENDPOINT, for example 80=127.0.0.1:9080`)
  const loaded = rendered(parseForwards(args))
  if (loaded.kind === 'invalid') return refuseConfig(loaded.message)
  entitle(`forward ${args.join(' ')}`)
  const { run } = await import('./run.ts')
  return run({ loaded, source: { name: 'command line', load: null, ...begun(loaded) }, file: null })
}

function begun({ written }: Extract<Loaded, { kind: 'ok' }>): Pick<ConfigSource, 'begun'> {
  return written === undefined ? {} : { begun: written }
}
