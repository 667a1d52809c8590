import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** clock_gettime ticks of utime and its like: sysconf(_SC_CLK_TCK) is 100 on every Linux that Node runs on. */
const tickNs = 1e7

/**
 * CPU time of a program over all its processes and threads, in ns, from the first number of schedstat (the kernel's own
 * clock; utime and stime are counted in ticks of 10 ms). A thread that has ended is not in it: the forwarders keep theirs.
 * A child process that has ended is, in ticks: socat has one a connection.
 */
export function cpuNs(pid: number): number {
  let total = 0
  for (const one of family(pid)) {
    for (const thread of list(`/proc/${one}/task`)) {
      const [onCpu = ''] = text(`/proc/${one}/task/${thread}/schedstat`).split(' ')
      total += Number(onCpu)
    }
    total += endedChildrenTicks(one) * tickNs
  }
  return total
}

/** Resident memory of a program in bytes: now, and the peak since start or since forgetPeak(). */
export function residentBytes(pid: number): { readonly now: number; readonly peak: number } {
  let [now, peak] = [0, 0]
  for (const one of family(pid)) {
    const status = text(`/proc/${one}/status`)
    const field = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
    now += field('VmRSS')
    peak += field('VmHWM')
  }
  return { now, peak }
}

/** What the kernel holds for a program's TCP sockets, in bytes: received and unread, written and unacknowledged (ss -m). */
export function socketBytes(pid: number): number {
  const pids = new Set(family(pid).map(String))
  const lines = execFileSync('ss', ['-tnmpHO'], { encoding: 'utf8', maxBuffer: 1e8 }).split('\n')
  let total = 0
  for (const line of lines) {
    const owner = /pid=(\d+)/.exec(line)?.[1]
    const [, received, forward, queued] = /skmem:\(r(\d+),.*,f(\d+),w(\d+),/.exec(line) ?? []
    if (owner === undefined || !pids.has(owner)) continue
    total += Number(received ?? 0) + Number(forward ?? 0) + Number(queued ?? 0)
  }
  return total
}

/** A process and all below it. */
function family(pid: number): number[] {
  const children = list(`/proc/${pid}/task`).flatMap((thread) =>
    text(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(family)]
}

/** cutime and cstime, fields 16 and 17 of proc(5); the name before them may hold blanks. */
function endedChildrenTicks(pid: number): number {
  const [, after = ''] = /\) (.*)$/s.exec(text(`/proc/${pid}/stat`)) ?? []
  const [userTicks = 0, systemTicks = 0] = after.split(' ').slice(13, 15).map(Number)
  return userTicks + systemTicks
}

/** A process may end while it is looked at: then there is nothing, and what it used is with its parent. */
function text(file: string): string {
  return orNothing(() => readFileSync(file, 'utf8'), '')
}

function list(folder: string): string[] {
  return orNothing(() => readdirSync(folder), [])
}

function orNothing<T>(read: () => T, nothing: T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return nothing
    throw error
  }
}

/** Sets the peak back to what is resident now (proc(5), clear_refs). */
export function forgetPeak(pid: number): void {
  for (const one of family(pid)) writeFileSync(`/proc/${one}/clear_refs`, '5')
}
