import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, release, totalmem } from 'node:os'

/** What a figure depends on; part of every result line. */
export interface Machine {
  readonly date: string
  readonly commit: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  readonly pins: string
}

/** `pins` is the note of choosePins(). */
export function machine(pins: string): Machine {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    pins,
  }
}

/** `3ed7d32`, `3ed7d32+changes`, or `unknown` outside of a checkout. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  try {
    const changed = git('status', '--porcelain', '--', '../../src', '../../bench') !== ''
    return git('rev-parse', '--short', 'HEAD') + (changed ? '+changes' : '')
  } catch {
    return 'unknown'
  }
}
