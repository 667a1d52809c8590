import { writeFileSync } from 'node:fs'

/**
 * What `ps` shows: which spliceway this is. As much of it as the words that started it had room for. The
 * short name, by which pgrep, ss and the doctor know the process, stays what cli.mjs made it; it is written
 * by the path that the kernel opens to a process with a file capability too.
 */
export function entitle(words: string): void {
  const short = process.title
  process.title = `${short} ${words}`
  try {
    writeFileSync(`/proc/self/task/${process.pid}/comm`, short)
  } catch {
    // No /proc, or one of another namespace: the short name is the beginning of the long one.
  }
}
