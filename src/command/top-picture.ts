import type { Status } from '../core/status.ts'
import { shortDuration } from './duration.ts'
import { table } from './table.ts'

/** What is known at one moment. */
export interface Sample {
  readonly atMs: number
  readonly status: Status
  /** Since the start, by listener. */
  readonly bytes: ReadonlyMap<string, Bytes>
}

export interface Bytes {
  readonly up: number
  readonly down: number
}

/** What endpoints are sorted by; each has its key. */
export const orders = ['active', 'state', 'endpoint'] as const
export type Order = (typeof orders)[number]

export interface TopView {
  readonly order: Order
  readonly width: number
  /** Endpoints are cut so that the picture is not higher; undefined: all are shown. */
  readonly height?: number
}

/** Bytes by listener, of a page for Prometheus. */
export function bytesOf(metrics: string): ReadonlyMap<string, Bytes> {
  const found = new Map<string, Bytes>()
  const line = /^spliceway_bytes_total\{listener="([^"]*)",direction="(up|down)"\} (\S+)$/gm
  for (const [, listener = '', direction, value] of metrics.matchAll(line)) {
    const before = found.get(listener) ?? { up: 0, down: 0 }
    const bytes = Number(value)
    found.set(listener, direction === 'up' ? { ...before, up: bytes } : { ...before, down: bytes })
  }
  return found
}

/** The picture of `top`: rates are those between two samples, and no line is longer than the view is wide. */
export function topPicture(before: Sample, now: Sample, view: TopView): string {
  const { status } = now
  const { active, limit, limitedBy } = status.connections
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1_000)
  const title = `spliceway ${status.version}, ${status.state} for ${shortDuration(status.uptimeMs)}, pid ${status.pid}`
  const room = `connections ${active} of ${limit} (${limitedBy})`
  const old = new Map(before.status.listeners.map((each) => [each.name, each.accepted]))
  const listeners = table(
    ['listener', 'address', 'active', 'limit', 'new/s', 'up/s', 'down/s'],
    status.listeners.map(({ name, address, active, accepted, maxConnections }) => {
      const [had, has] = [before.bytes.get(name), now.bytes.get(name)]
      const rate = (key: keyof Bytes): string => rateText(((has?.[key] ?? 0) - (had?.[key] ?? 0)) / seconds)
      return [
        name,
        address,
        String(active),
        maxConnections === null ? '' : String(maxConnections),
        Math.max(0, (accepted - (old.get(name) ?? accepted)) / seconds).toFixed(1),
        rate('up'),
        rate('down'),
      ]
    }),
    { width: view.width, dull: { limit: '' } },
  )
  const head = `${cut(title, view.width)}\n${cut(room, view.width)}\n\n${listeners}\n`
  const used = head.split('\n').length // the headings below included
  return head + endpoints(status, view, view.height === undefined ? Infinity : view.height - used)
}

function endpoints({ pools }: Status, { order, width }: TopView, room: number): string {
  const all = pools.flatMap((pool) => pool.endpoints.map((endpoint) => ({ pool: pool.name, ...endpoint })))
  const bad = (state: string): number => (state === 'up' ? 1 : 0)
  // Stable: whoever is equal keeps the order of the configuration.
  const sorted = all.toSorted((a, b) => {
    if (order === 'active') return b.active - a.active
    return order === 'state'
      ? bad(a.state) - bad(b.state)
      : a.endpoint.localeCompare(b.endpoint, 'en', { numeric: true })
  })
  const shown = sorted.length > room ? sorted.slice(0, Math.max(0, room - 1)) : sorted
  const rows = shown.map(({ pool, endpoint, state, forMs, active, reason }) => [
    pool,
    endpoint,
    state,
    shortDuration(forMs),
    String(active),
    reason,
  ])
  const more = sorted.length - shown.length
  const rest = more > 0 ? `and ${more} more\n` : ''
  return table(['pool', 'endpoint', 'state', 'for', 'active', 'reason'], rows, { width }) + rest
}

/** `0`, `812`, `3.4K`, `1.2M`: bytes, in powers of 1024. */
function rateText(bytes: number): string {
  let value = Math.max(0, bytes)
  for (const unit of ['', 'K', 'M', 'G']) {
    if (value < 1_000) return unit === '' ? String(Math.round(value)) : `${value.toFixed(1)}${unit}`
    value /= 1024
  }
  return `${value.toFixed(1)}T`
}

function cut(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`
}
