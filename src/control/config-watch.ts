import { lookMs, SettledFile } from './settled-file.ts'

/**
 * Calls `changed` when the file says something else than `current()`, the text that was loaded last. A file that cannot
 * be read is no change. Whoever starts it calls the result to stop.
 */
export function watchConfig(path: string, current: () => string, changed: () => void): () => void {
  const file = new SettledFile(path)
  let looking = false

  const look = async (): Promise<void> => {
    const found = await file.look()
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
