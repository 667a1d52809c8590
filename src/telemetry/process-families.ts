import { readdirSync, readFileSync, statSync } from 'node:fs'
import { type Family, type Sample, sample } from './family.ts'

/**
 * The process metrics under their conventional names. prom-client's collectDefaultMetrics is not used: it
 * starts a 100 ms interval, a 10 ms delay monitor and a garbage-collection observer that nothing can stop,
 * and it lists /proc/self/fd at every scrape, 20,000 names on a busy day.
 */
export function processFamilies(openFileLimit: number): readonly Family[] {
  const startSeconds = Math.round(Date.now() / 1000 - process.uptime())
  return [
    family('counter', 'process_cpu_user_seconds_total', 'User CPU time of all threads.', () => [
      sample(process.cpuUsage().user / 1e6),
    ]),
    family('counter', 'process_cpu_system_seconds_total', 'System CPU time of all threads.', () => [
      sample(process.cpuUsage().system / 1e6),
    ]),
    family('counter', 'process_cpu_seconds_total', 'CPU time of all threads.', () => {
      const { user, system } = process.cpuUsage()
      return [sample((user + system) / 1e6)]
    }),
    family('gauge', 'process_start_time_seconds', 'Start time since the Unix epoch.', () => [
      sample(startSeconds),
    ]),
    family('gauge', 'process_resident_memory_bytes', 'Resident memory.', () => [
      sample(process.memoryUsage.rss()),
    ]),
    family('gauge', 'process_virtual_memory_bytes', 'Virtual memory.', () => virtualMemory()),
    family('gauge', 'process_open_fds', 'Open file descriptors.', () => openFiles()),
    family('gauge', 'process_max_fds', 'Soft limit of open file descriptors.', () => [sample(openFileLimit)]),
    family('gauge', 'nodejs_heap_size_total_bytes', 'JavaScript heap of the main thread.', () => [
      sample(process.memoryUsage().heapTotal),
    ]),
    family('gauge', 'nodejs_heap_size_used_bytes', 'JavaScript heap in use, main thread.', () => [
      sample(process.memoryUsage().heapUsed),
    ]),
    family('gauge', 'nodejs_external_memory_bytes', 'Memory of buffers and bindings, main thread.', () => [
      sample(process.memoryUsage().external),
    ]),
    family('gauge', 'nodejs_version_info', 'Always 1.', () => {
      const [major = '', minor = '', patch = ''] = process.versions.node.split('.')
      return [sample(1, { version: process.version, major, minor, patch })]
    }),
  ]
}

function family(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  collect: () => readonly Sample[],
): Family {
  return { name, help, type, collect }
}

/** No sample where there is no /proc. */
function virtualMemory(): readonly Sample[] {
  try {
    const kiB = /^VmSize:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]
    return kiB === undefined ? [] : [sample(Number(kiB) * 1024)]
  } catch {
    return []
  }
}

/** Since Linux 6.2 the folder's size is the number of its entries: one call instead of a listing. */
function openFiles(): readonly Sample[] {
  try {
    const { size } = statSync('/proc/self/fd')
    return [sample(size > 0 ? size : readdirSync('/proc/self/fd').length - 1)]
  } catch {
    return []
  }
}
