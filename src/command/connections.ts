import { parseDuration } from '../config/duration.ts'
import { parseIp } from '../core/address.ts'
import { parseCidr } from '../core/cidr.ts'
import type { Connection } from '../core/connection.ts'
import { byteCount } from './byte-count.ts'
import { ask, type CommandOptions, complain } from './client.ts'
import { shortDuration } from './duration.ts'
import { exitCode } from './exit-code.ts'
import { table } from './table.ts'

/** As typed. */
export interface ConnectionsOptions extends CommandOptions {
  readonly listener?: string | undefined
  readonly pool?: string | undefined
  readonly endpoint?: string | undefined
  readonly client?: string | undefined
  readonly older?: string | undefined
  readonly idle?: string | undefined
  readonly top?: string | undefined
  readonly json: boolean
}

/** Thousands of connections at the pace of a busy program. */
const listMs = 30_000

interface Listed {
  readonly connections: readonly Connection[]
  /** Workers that did not answer. */
  readonly silent: readonly number[]
}

/** `spliceway connections`: who is connected now, the oldest first. */
export async function connections(options: ConnectionsOptions): Promise<number> {
  const query = queryOf(options)
  if (typeof query === 'string') {
    options.err.write(`spliceway: ${query}\n`)
    return exitCode.usage
  }
  const reply = await ask(options.socket, 'GET', `/connections?${query}`, listMs)
  if (reply.kind === 'unreachable') return complain(options, reply.message)
  if (reply.status !== 200)
    return complain(options, `the process at ${options.socket} answered: ${reply.body.trim()}`)
  const listed = parseListing(reply.body)
  if (listed === undefined) return complain(options, `what answers at ${options.socket} is not spliceway`)
  options.out.write(rendered(listed.connections, options, reply.body))
  for (const worker of listed.silent)
    options.err.write(`worker ${worker} did not answer: its connections are missing\n`)
  return listed.silent.length === 0 ? exitCode.ok : exitCode.failure
}

/** What to ask for, or what is wrong with it. */
function queryOf({ listener, pool, endpoint, client, older, idle, top }: ConnectionsOptions) {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ listener, pool, endpoint }))
    if (value !== undefined) query.set(name, value)
  if (client !== undefined) {
    const range = parseCidr(client)
    if (range.kind === 'bad') return `--client ${client} ${range.message}: ${range.hint}`
    query.set('client', client)
  }
  for (const [name, value] of Object.entries({ older, idle })) {
    if (value === undefined) continue
    const ms = parseDuration(value)
    if (ms === undefined) return `--${name} takes a duration such as 10m or 1h, not ${JSON.stringify(value)}`
    query.set(`${name}Ms`, String(ms))
  }
  if (top !== undefined && top !== 'client' && top !== 'endpoint')
    return `--top takes client or endpoint, not ${JSON.stringify(top)}`
  return query
}

function rendered(all: readonly Connection[], { json, top }: ConnectionsOptions, body: string): string {
  if (top === 'client' || top === 'endpoint') {
    const groups = ranked(all, top)
    return json ? `${JSON.stringify({ top: groups })}\n` : topTable(groups, top)
  }
  return json ? body : connectionTable(all)
}

function connectionTable(all: readonly Connection[]): string {
  const rows = all
    .toSorted((a, b) => b.ageMs - a.ageMs)
    .map((each) => [
      each.id,
      each.client,
      each.listener,
      each.pool ?? '-',
      each.endpoint ?? '',
      shortDuration(each.ageMs),
      shortDuration(each.idleMs),
      byteCount(each.bytesUp),
      byteCount(each.bytesDown),
      byteCount(each.heldBytes),
      each.state,
    ])
  const headings = [
    'id',
    'client',
    'listener',
    'pool',
    'endpoint',
    'age',
    'idle',
    'up',
    'down',
    'held',
    'state',
  ]
  return table(headings, rows)
}

interface Group {
  /** An address without its port, or an endpoint. */
  readonly name: string
  readonly connections: number
  readonly bytesUp: number
  readonly bytesDown: number
}

/** Whoever has most connections comes first. */
function ranked(all: readonly Connection[], by: 'client' | 'endpoint'): Group[] {
  const groups = new Map<string, Group>()
  for (const each of all) {
    const name = by === 'client' ? hostOf(each.client) : (each.endpoint ?? '')
    const { connections = 0, bytesUp = 0, bytesDown = 0 } = groups.get(name) ?? {}
    groups.set(name, {
      name,
      connections: connections + 1,
      bytesUp: bytesUp + each.bytesUp,
      bytesDown: bytesDown + each.bytesDown,
    })
  }
  return [...groups.values()].toSorted((a, b) => b.connections - a.connections || (a.name < b.name ? -1 : 1))
}

function topTable(groups: readonly Group[], by: string): string {
  return table(
    [by, 'connections', 'up', 'down'],
    groups.map(({ name, connections, bytesUp, bytesDown }) => [
      name,
      String(connections),
      byteCount(bytesUp),
      byteCount(bytesDown),
    ]),
  )
}

/** `203.0.113.7` of `203.0.113.7:51234`, `2001:db8::5` of `[2001:db8::5]:51234`. */
export function hostOf(client: string): string {
  const host = client.slice(0, client.lastIndexOf(':')).replace(/^\[|\]$/g, '')
  return parseIp(host) === undefined ? client : host
}

/** undefined: the text is not a whole listing. */
export function parseListing(body: string): Listed | undefined {
  try {
    const value: Listed | null = JSON.parse(body)
    return Array.isArray(value?.connections) && Array.isArray(value.silent) ? value : undefined
  } catch {
    return undefined
  }
}
