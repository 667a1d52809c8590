import type { Connection } from '../core/connection.ts'
import { byteCount } from './byte-count.ts'
import { hostOf } from './connections.ts'
import { table } from './table.ts'

/** A client's address without its port, and what it moves. */
export interface Client {
  readonly host: string
  readonly connections: number
  /** Between two samples, in bytes per second; of a connection that is new since then, all its bytes. */
  readonly upRate: number
  readonly downRate: number
  /** Of the connections that it has now. */
  readonly bytes: number
}

/** Who is connected, whoever has most first: connections, or bytes per second. */
export function clientsOf(
  before: readonly Connection[],
  now: readonly Connection[],
  seconds: number,
  by: 'connections' | 'bytes',
): readonly Client[] {
  const old = new Map(before.map((each) => [each.id, each]))
  const clients = new Map<string, Client>()
  for (const each of now) {
    const host = hostOf(each.client)
    const was = old.get(each.id)
    const known = clients.get(host)
    clients.set(host, {
      host,
      connections: (known?.connections ?? 0) + 1,
      upRate: (known?.upRate ?? 0) + (each.bytesUp - (was?.bytesUp ?? 0)) / seconds,
      downRate: (known?.downRate ?? 0) + (each.bytesDown - (was?.bytesDown ?? 0)) / seconds,
      bytes: (known?.bytes ?? 0) + each.bytesUp + each.bytesDown,
    })
  }
  const moves = ({ upRate, downRate }: Client): number => upRate + downRate
  return [...clients.values()].toSorted((a, b) => {
    const more = by === 'bytes' ? moves(b) - moves(a) : b.connections - a.connections
    return more || (a.host < b.host ? -1 : 1)
  })
}

/** At most `room` lines, headings not counted. */
export function clientTable(clients: readonly Client[], room: number, width: number): string {
  const shown = clients.length > room ? clients.slice(0, Math.max(0, room - 1)) : clients
  const rows = shown.map(({ host, connections, upRate, downRate, bytes }) => [
    host,
    String(connections),
    rateText(upRate),
    rateText(downRate),
    byteCount(bytes),
  ])
  const more = clients.length - shown.length
  const rest = more > 0 ? `and ${more} more\n` : ''
  return table(['client', 'connections', 'up/s', 'down/s', 'bytes'], rows, { width }) + rest
}

/** `0`, `812`, `3.4K`, `1.2M`: bytes, in powers of 1024. */
export function rateText(bytes: number): string {
  let value = Math.max(0, bytes)
  for (const unit of ['', 'K', 'M', 'G']) {
    if (value < 1_000) return unit === '' ? String(Math.round(value)) : `${value.toFixed(1)}${unit}`
    value /= 1024
  }
  return `${value.toFixed(1)}T`
}
