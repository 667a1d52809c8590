import type { Status } from '../core/status.ts'
import type { WayBackFound } from '../core/way-back.ts'
import type { Socket } from '../linux/tcp-table.ts'
import type { Addresses } from './node/addresses.ts'
import type { Clock } from './node/clock.ts'
import type { Cluster } from './node/cluster.ts'
import type { Gateway } from './node/gateways.ts'
import type { Kernel } from './node/kernel.ts'
import type { Names } from './node/names.ts'
import type { Owner } from './node/owners.ts'
import type { Chain } from './node/rules.ts'
import type { Subject } from './subject.ts'

/** All that the checks know. What could not be read is empty or null, and said beside the findings. */
export interface Facts {
  readonly subject: Subject
  readonly running: Running
  readonly sockets: readonly Socket[]
  /** By inode. */
  readonly owners: ReadonlyMap<string, readonly Owner[]>
  readonly chains: readonly Chain[]
  readonly addresses: Addresses
  readonly kernel: Kernel
  /** Soft limit of open files: of the running process, or of one started from here. */
  readonly openFiles: { readonly limit: number; readonly pid: number | null }
  readonly cluster: Cluster
  readonly clock: Clock
  readonly names: Pick<Names, 'lost' | 'servers'>
  readonly gateways: readonly Gateway[]
  /** Of gateways of transparent pools, those of which it is known. */
  readonly waysBack: readonly WayBack[]
  readonly plane: Plane
}

export interface WayBack {
  readonly gateway: Gateway
  readonly found: WayBackFound
}

/** The process that answers at the admin socket. */
export type Running =
  | { readonly kind: 'answers'; readonly status: Status }
  | { readonly kind: 'nobody' }
  /** It is there and gives no answer. */
  | { readonly kind: 'silent'; readonly socket: string }

export type Plane =
  | { readonly kind: 'splice' }
  /** Why bytes would go over node:net. */
  | { readonly kind: 'net'; readonly why: string }
