import type { Bench } from './bench.ts'

/** Somewhere to connect to. */
export interface Target {
  readonly host: string
  readonly port: number
}

/** Where a forwarder runs, and how much of it. */
export interface Place {
  /** It listens there. */
  readonly host: string
  /** null: ours. */
  readonly namespace: string | null
  /** null: wherever the kernel puts it. */
  readonly core: number | null
  /** Threads or processes that forward. */
  readonly workers: number
  /** Endpoints are probed every 2 s, by those who can. Not where every connection counts. */
  readonly probed: boolean
}

/** One worker on the forwarder's core and on loopback, so that like is compared with like. */
export function loopback({ pins }: Bench): Place {
  return { host: '127.0.0.1', namespace: null, core: pins.forwarder, workers: 1, probed: true }
}
