import type { Config } from '../config/config.ts'

/** Descriptors kept for everything but connections: listeners, probes, admin, logs, files. */
const spareDescriptors = 256
/** What a connection may hold in user space: 128 KiB a direction. */
const ownBytes = 256 * 1024
/**
 * What the kernel holds on both sides of a connection whose reader does not read: at most 1 MiB (0.3 to 0.9
 * were measured, bench -- memory; 4.5 without the bound of plane/unsent.ts). It is charged to the Pod. One in
 * four is taken to be such.
 */
const kernelBytes = (1024 * 1024) / 4
const bytesPerConnection = ownBytes + kernelBytes

/** What this process may use. */
export interface Machine {
  /** Soft limit of descriptors. */
  readonly openFiles: number
  readonly memoryBytes: number
}

/**
 * How many connections the program takes. `auto`: the buffers of all, the kernel's included, may fill half of
 * the memory; the other half is for the program. Never more than the descriptors allow, two for each,
 * whatever is configured: running out of them would hit probes and logs too. At least 1. `warm`: sockets that
 * wait for clients, as many as warmRoom() allows.
 */
export function connectionLimit(
  connections: Config['limits']['connections'],
  machine: Machine,
  warm = 0,
): number {
  const wanted = connections === 'auto' ? machine.memoryBytes / 2 / bytesPerConnection : connections
  return Math.max(1, Math.floor(Math.min(wanted, byDescriptors(machine, warm))))
}

/** What that limit comes from, in the words of whoever would raise it. */
export function limitedBy(connections: Config['limits']['connections'], machine: Machine, warm = 0): string {
  const byMemory = machine.memoryBytes / 2 / bytesPerConnection
  const wanted = connections === 'auto' ? byMemory : connections
  if (byDescriptors(machine, warm) < wanted) return `open files: ${machine.openFiles}`
  return connections === 'auto' ? 'half of the memory' : 'limits.connections'
}

/** Descriptors that warm connections may have: a quarter. Clients need the rest, two each. */
export function warmRoom({ openFiles }: Machine): number {
  return Math.max(0, Math.floor((openFiles - spareDescriptors) / 4))
}

/** Below this the limit of descriptors has most likely just not been raised. */
const fewDescriptors = 4_096

/** What an operator should change so that the machine carries what is configured; null: nothing. */
export function capacityWarning(
  connections: Config['limits']['connections'],
  machine: Machine,
  warm = 0,
): string | null {
  const limit = connectionLimit(connections, machine, warm)
  const short = connections === 'auto' ? machine.openFiles < fewDescriptors : connections > limit
  if (!short) return null
  const needed = connections === 'auto' ? 65_536 : connections * 2 + spareDescriptors + warm
  return (
    `this process may open ${machine.openFiles} descriptors, so it takes ${limit} connections at most: ` +
    `set LimitNOFILE=${needed} (systemd) or ulimit -n ${needed}, or lower limits.connections`
  )
}

function byDescriptors(machine: Machine, warm: number): number {
  return (machine.openFiles - spareDescriptors - Math.min(warm, warmRoom(machine))) / 2
}
