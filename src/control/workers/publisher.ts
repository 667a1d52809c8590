import type { Config } from '../../config/config.ts'
import type { PoolSnapshot, Snapshot } from '../../core/snapshot.ts'
import type { ListenerSlots } from './listener-slots.ts'
import { listenerKey } from './listeners.ts'

export interface Publisher {
  /** The latest snapshot; null before the first. */
  readonly latest: Snapshot | null
  /** Makes the next snapshot from what is known now and hands it to everyone. */
  publish(config: Config, maxConnections: (pools: readonly PoolSnapshot[]) => number): void
}

/** Snapshots go down: this is the one place where they are made. */
export function createPublisher(
  slots: ListenerSlots,
  pools: (version: number) => readonly PoolSnapshot[],
  send: (snapshot: Snapshot) => void,
): Publisher {
  let latest: Snapshot | null = null
  return {
    get latest() {
      return latest
    },
    publish(config, maxConnections) {
      const version = (latest?.version ?? 0) + 1
      const published = pools(version)
      latest = {
        version,
        listeners: config.listeners.map((listener) => ({
          name: listener.name,
          address: listenerKey(listener),
          slot: slots.of(listener.name),
          pool: listener.pool,
          maxConnections: listener.maxConnections,
        })),
        pools: published,
        timeouts: config.timeouts,
        maxConnections: maxConnections(published),
        access: config.log.access,
      }
      slots.keep(new Set(config.listeners.map(({ name }) => name)))
      send(latest)
    },
  }
}
