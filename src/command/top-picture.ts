import type { Connection } from '../core/connection.ts'
import type { Status } from '../core/status.ts'
import { shortDuration } from './duration.ts'
import { table } from './table.ts'
import { clientsOf, clientTable, rateText } from './top-clients.ts'

/** What is known at one moment. */
export interface Sample {
  readonly atMs: number
  readonly status: Status
  /** Since the start, by listener. */
  readonly bytes: ReadonlyMap<string, Bytes>
  /** By pool and endpoint, as endpointKey() joins them. */
  readonly endpointBytes: ReadonlyMap<string, Bytes>
  /** null: they were not asked for. */
  readonly connections: readonly Connection[] | null
}

export interface Bytes {
  readonly up: number
  readonly down: number
}

/** What endpoints are sorted by; each has its key. Clients are sorted by bytes, or by connections. */
export type Order = 'active' | 'bytes' | 'state' | 'endpoint'

export interface TopView {
  readonly order: Order
  readonly width: number
  /** Below the listeners. */
  readonly show: 'endpoints' | 'clients' | 'both'
  /** Endpoints, or clients, are cut so that the picture is not higher; undefined: all are shown. */
  readonly height?: number
}

/** Bytes by listener, of a page for Prometheus. */
export function bytesOf(metrics: string): ReadonlyMap<string, Bytes> {
  const line = /^spliceway_bytes_total\{listener="([^"]*)",direction="(up|down)"\} (\S+)$/gm
  return summed(
    [...metrics.matchAll(line)].map(([, listener = '', direction, value]) => [listener, direction, value]),
  )
}

/** Bytes by endpoint, of the same page. */
export function endpointBytesOf(metrics: string): ReadonlyMap<string, Bytes> {
  const line =
    /^spliceway_endpoint_bytes_total\{pool="([^"]*)",endpoint="([^"]*)",direction="(up|down)"\} (\S+)$/gm
  return summed(
    [...metrics.matchAll(line)].map(([, pool = '', endpoint = '', direction, value]) => [
      endpointKey(pool, endpoint),
      direction,
      value,
    ]),
  )
}

export function endpointKey(pool: string, endpoint: string): string {
  return `${pool}\n${endpoint}`
}

function summed(
  found: readonly (readonly [key: string, direction: string | undefined, value: string | undefined])[],
): ReadonlyMap<string, Bytes> {
  const all = new Map<string, Bytes>()
  for (const [key, direction, value] of found) {
    const before = all.get(key) ?? { up: 0, down: 0 }
    const bytes = Number(value)
    all.set(key, direction === 'up' ? { ...before, up: bytes } : { ...before, down: bytes })
  }
  return all
}

/** The picture of `top`: rates are those between two samples, and no line is longer than the view is wide. */
export function topPicture(before: Sample, now: Sample, view: TopView): string {
  const { status } = now
  const { active, limit, limitedBy } = status.connections
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1_000)
  const title = `spliceway ${status.version}, ${status.state} for ${shortDuration(status.uptimeMs)}, pid ${status.pid}`
  const load = `connections ${active} of ${limit} (${limitedBy})`
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
  const head = `${cut(title, view.width)}\n${cut(load, view.width)}\n\n${listeners}\n`
  const used = head.split('\n').length // the headings below included
  const room = view.height === undefined ? Infinity : view.height - used
  const below = view.show === 'clients' ? '' : endpoints(before, now, seconds, view, room)
  if (view.show === 'endpoints' || before.connections === null || now.connections === null)
    return head + below
  const by = view.order === 'bytes' ? 'bytes' : 'connections'
  const clients = clientsOf(before.connections, now.connections, seconds, by)
  const lines = view.show === 'both' ? mostClients : room
  return `${head}${below}${below && '\n'}${clientTable(clients, lines, view.width)}`
}

/** Below endpoints, in a single picture. */
const mostClients = 10

function endpoints(
  before: Sample,
  now: Sample,
  seconds: number,
  { order, width }: TopView,
  room: number,
): string {
  const all = now.status.pools.flatMap((pool) =>
    pool.endpoints.map((endpoint) => {
      const key = endpointKey(pool.name, endpoint.endpoint)
      const [had, has] = [before.endpointBytes.get(key), now.endpointBytes.get(key)]
      const rate = (side: keyof Bytes): number => ((has?.[side] ?? 0) - (had?.[side] ?? 0)) / seconds
      return { pool: pool.name, ...endpoint, up: rate('up'), down: rate('down') }
    }),
  )
  type Row = (typeof all)[number]
  const bad = ({ state }: Row): number => (state === 'up' ? 1 : 0)
  const compare: Readonly<Record<Order, (a: Row, b: Row) => number>> = {
    active: (a, b) => b.active - a.active,
    bytes: (a, b) => b.up + b.down - a.up - a.down,
    state: (a, b) => bad(a) - bad(b),
    endpoint: (a, b) => a.endpoint.localeCompare(b.endpoint, 'en', { numeric: true }),
  }
  // Stable: whoever is equal keeps the order of the configuration.
  const sorted = all.toSorted(compare[order])
  const shown = sorted.length > room ? sorted.slice(0, Math.max(0, room - 1)) : sorted
  const rows = shown.map(({ pool, endpoint, state, forMs, active, up, down, reason }) => [
    ...[pool, endpoint, state, shortDuration(forMs), String(active), rateText(up), rateText(down)],
    reason,
  ])
  const more = sorted.length - shown.length
  const rest = more > 0 ? `and ${more} more\n` : ''
  const headings = ['pool', 'endpoint', 'state', 'for', 'active', 'up/s', 'down/s', 'reason']
  return table(headings, rows, { width, dull: { reason: '' }, spare: ['for'] }) + rest
}

function cut(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`
}
