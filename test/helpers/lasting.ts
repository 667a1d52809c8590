import type { Forwarder } from './forwarder.ts'

/** Deadlines that are looked at every 100 ms: so soon are connections written down. */
export const quickSweeps = { unackedMs: 1_000 } as const

/**
 * Resolves when whatever is established now has been written down, with quickSweeps: a worker's heart beats by the
 * same timers as its sweeps.
 */
export async function lasting(forwarder: Forwarder): Promise<void> {
  const sinceMs = performance.now()
  await forwarder.until(() =>
    forwarder.app
      .status()
      .workers.every(
        ({ alive, heartbeatAgeMs }) => alive && performance.now() - sinceMs - heartbeatAgeMs > 150,
      ),
  )
}
