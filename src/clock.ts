/**
 * Milliseconds since an arbitrary moment, the same in all threads of the process: performance.now() counts
 * from the birth of its thread, and Date.now() jumps when somebody sets the clock.
 */
export function processMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}

/** Calls `fire` once; the result prevents it. */
export function after(ms: number, fire: () => void): () => void {
  const timer = setTimeout(fire, ms)
  return () => clearTimeout(timer)
}
