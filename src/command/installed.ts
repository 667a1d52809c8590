import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

/** How this process was started, as `process` has it. */
export interface Started {
  readonly pid: number
  readonly argv: readonly string[]
  readonly argv0: string
  readonly execPath: string
  readonly execArgv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Set by bin/spliceway: `PID PATH`, the process that it became and where it was called. */
const launcherVariable = 'SPLICEWAY_LAUNCHER'

/**
 * The command line, without the program's arguments, that starts the version that is installed now where this
 * process was started from. A launcher finds the Node that belongs to it. Otherwise it is the same Node by
 * the name by which it was called, which may be a link that leads to another one by now, with the same
 * options.
 */
export function installed(
  { pid, argv, argv0, execPath, execArgv, env }: Started,
  cwd: string,
): readonly string[] {
  const [, launcher] = /^\d+ (.*)$/s.exec(env[launcherVariable] ?? '') ?? []
  const ours = env[launcherVariable]?.startsWith(`${pid} `) === true
  if (ours && launcher !== undefined && existsSync(launcher)) return [launcher]
  const named = argv0.includes('/') ? resolve(cwd, argv0) : execPath
  return [existsSync(named) ? named : execPath, ...execArgv, ...argv.slice(1, 2)]
}
