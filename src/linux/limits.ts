import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * The soft limit of open files; Infinity when there is none; 1024, the usual soft limit, where there is no
 * /proc.
 */
export function openFileLimit(limitsFile = '/proc/self/limits'): number {
  const soft = /^Max open files\s+(\S+)/m.exec(read(limitsFile))?.[1]
  if (soft === undefined) return 1024
  return soft === 'unlimited' ? Infinity : Number(soft)
}

/**
 * Memory that this process may use, in bytes: the tightest limit of its cgroup and the cgroups above it (v2
 * or v1), at most the machine's memory. `root` is where /proc and /sys are found.
 */
export function memoryLimitBytes(root = '/'): number {
  const limits = [totalmem()]
  for (const line of read(join(root, 'proc/self/cgroup')).split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    if (controllers === '') {
      const mount = join(root, 'sys/fs/cgroup')
      limits.push(...limitsUpwards(mount, path, 'memory.max'), ...limitsUpwards(mount, path, 'memory.high'))
    } else if (controllers.split(',').includes('memory')) {
      limits.push(...limitsUpwards(join(root, 'sys/fs/cgroup/memory'), path, 'memory.limit_in_bytes'))
    }
  }
  return Math.min(...limits)
}

/**
 * A container may see its path on the host, but its own cgroup as the root: folders that are not there are
 * passed over.
 */
function limitsUpwards(mount: string, path: string, file: string): number[] {
  const limits: number[] = []
  for (let folder = path; ; folder = dirname(folder)) {
    const limit = Number.parseInt(read(join(mount, folder, file)), 10) // `max`: NaN
    if (limit > 0) limits.push(limit)
    if (folder === '/' || folder === '.') return limits
  }
}

/** Empty when it cannot be read. */
function read(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

/**
 * What the pipes of this process may hold together: half of what the kernel gives a user before it makes
 * pipes small (fs.pipe-user-pages-soft, 64 MiB by default), because other processes of the user want some
 * too.
 */
export function pipeBudgetBytes(file = '/proc/sys/fs/pipe-user-pages-soft'): number {
  const pageBytes = 4096
  try {
    const pages = Number(readFileSync(file, 'utf8'))
    // 0: no limit; the default is then as good as any number.
    return ((pages > 0 ? pages : 16_384) / 2) * pageBytes
  } catch {
    return 0
  }
}
