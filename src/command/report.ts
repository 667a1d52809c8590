import { closeSync, writeSync } from 'node:fs'
import { reportChannel, reportVariable } from '../core/report-channel.ts'

let fd: number | null | undefined

/**
 * Also says it to the process that has started this one to take its place, which shows it to whoever asked
 * for that. The journal, or whatever reads standard error, has it anyway.
 */
export function report(text: string): void {
  fd ??= findReport()
  if (fd === null) return
  try {
    writeSync(fd, text)
  } catch {
    fd = null // it is gone
  }
}

/** There is nothing more to say: this process serves. */
export function endReport(): void {
  fd ??= findReport()
  if (fd !== null) closeSync(fd)
  fd = null
}

function findReport(): number | null {
  const channel = reportChannel(process.env[reportVariable], process.ppid)
  delete process.env[reportVariable] // not for children of ours
  return channel
}
