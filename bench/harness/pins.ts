import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Which cores the forwarder and everything else run on. null: wherever the kernel puts them. */
export interface Pins {
  readonly forwarder: number | null
  readonly load: number | null
  /** For the reader of the figures. */
  readonly note: string
}

/** The first allowed core for the forwarder, the second for load and backend, when there are two and taskset exists. */
export function choosePins(): Pins {
  const [forwarder, load] = allowedCores()
  if (forwarder === undefined || load === undefined) {
    return { forwarder: null, load: null, note: 'not pinned: only one core' }
  }
  if (spawnSync('taskset', ['--version']).status !== 0) {
    return { forwarder: null, load: null, note: 'not pinned: no taskset (package util-linux)' }
  }
  const note = `forwarder pinned to core ${forwarder}, load and backend to core ${load}`
  return { forwarder, load, note }
}

/** `command` as started on `core`. taskset execs it, so the process id stays. */
export function pinned(
  core: number | null,
  command: string,
  args: readonly string[],
): { readonly command: string; readonly args: readonly string[] } {
  if (core === null) return { command, args }
  return { command: 'taskset', args: ['--cpu-list', String(core), command, ...args] }
}

function allowedCores(): number[] {
  const [, list = ''] = /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}
