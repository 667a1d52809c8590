import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/**
 * CPU time of a process over all its threads, in ns, from the first number of schedstat (the kernel's own clock; utime and
 * stime are counted in ticks of 10 ms). A thread that has ended is not in it: the forwarders keep theirs.
 */
export function cpuNs(pid: number): number {
  let total = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [onCpu = ''] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
    total += Number(onCpu)
  }
  return total
}

/** Resident memory in bytes: now, and the peak since start or since forgetPeak(). */
export function residentBytes(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
  return { now: field('VmRSS'), peak: field('VmHWM') }
}

/** Sets the peak back to what is resident now (proc(5), clear_refs). */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}
