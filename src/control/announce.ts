import type { Log } from '../core/log.ts'
import type { ListenerStatus } from '../core/status.ts'

/** A line for each listener: where it listens, and what for. */
export function announce(log: Log, listeners: readonly ListenerStatus[]): void {
  for (const { name, address, pool, routes } of listeners) {
    const where = [
      ...(routes > 0 ? [`${routes} route${routes === 1 ? '' : 's'}`] : []),
      ...(pool === null ? [] : [`pool ${pool}`]),
    ]
    log.info({ listener: name, address, pool }, `listening on ${address} for ${where.join(' and ')}`)
  }
}
