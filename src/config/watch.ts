import type { Log } from '../core/log.ts'
import { lookMs, SettledFile } from './settled-file.ts'

/**
 * Writers that replace a file by hand have it away for a moment: said when it is still away at the next look
 * but one.
 */
const awayLooks = 3

/**
 * Calls `changed` when the file says something else than `current()`, the text that was loaded last. A file
 * that cannot be read is no change; the log has one line when it is gone and one when it is back. Whoever
 * starts it calls the result to stop.
 */
export function watchConfig(path: string, current: () => string, changed: () => void, log: Log): () => void {
  const file = new SettledFile(path)
  let looking = false
  let away = 0

  const look = async (): Promise<void> => {
    const found = await file.look()
    if (found.kind === 'unreadable') {
      if (++away === awayLooks)
        log.warn(
          { file: path },
          `the configuration file ${path} ${found.reason}; the program goes on with what it has`,
        )
      return
    }
    if (found.kind === 'changing') return
    if (away >= awayLooks) log.info({ file: path }, `the configuration file ${path} is there again`)
    away = 0
    if (found.kind === 'read' && found.text !== current()) changed()
  }
  const timer = setInterval(() => {
    if (looking) return
    looking = true
    void look().finally(() => {
      looking = false
    })
  }, lookMs)
  timer.unref()
  return () => clearInterval(timer)
}
