import type { Config } from '../config/config.ts'

/** Descriptors kept for everything but connections: listeners, probes, admin, logs, files. */
const spareDescriptors = 256
/** What a connection may hold in user space: 128 KiB a direction. */
const bytesPerConnection = 256 * 1024

/** What this process may use. */
export interface Machine {
  /** Soft limit of descriptors. */
  readonly openFiles: number
  readonly memoryBytes: number
}

/**
 * How many connections the program takes. `auto`: each needs two descriptors, and the buffers of all may fill half of
 * the memory; the other half is for the program. At least 1.
 */
export function connectionLimit(connections: Config['limits']['connections'], machine: Machine): number {
  if (connections !== 'auto') return connections
  const byDescriptors = (machine.openFiles - spareDescriptors) / 2
  const byMemory = machine.memoryBytes / 2 / bytesPerConnection
  return Math.max(1, Math.floor(Math.min(byDescriptors, byMemory)))
}
