import { hungMs } from '../core/readiness.ts'
import { shownLines } from '../core/shown.ts'
import type { DiscoveryStatus, Status } from '../core/status.ts'
import { ask, type CommandOptions, complain } from './client.ts'
import { shortDuration } from './duration.ts'
import { exitCode } from './exit-code.ts'
import { type TableView, table } from './table.ts'

/** A process before this one tells every second what is left in it: one that has missed two hangs. */
const silentMs = 3_000

export interface StatusOptions extends CommandOptions {
  /** The answer as it came, for programs. */
  readonly json: boolean
  /** Every column, in full. */
  readonly wide: boolean
  /** Of the terminal; undefined: there is none, and lines may be longer. */
  readonly columns: number | undefined
}

/** How the picture is drawn: without a word about it, every column is there and nothing is cut. */
export interface StatusView {
  /** Columns that say nothing are left out. */
  readonly brief?: boolean
  readonly columns?: number | undefined
}

/** `spliceway status`: the running process at a glance. */
export async function status(options: StatusOptions): Promise<number> {
  const reply = await ask(options.socket, 'GET', '/status')
  if (reply.kind === 'unreachable') return complain(options, reply.message)
  if (reply.status !== 200)
    return complain(options, `the process at ${options.socket} answered: ${reply.body.trim()}`)
  if (options.json) {
    options.out.write(reply.body)
    return exitCode.ok
  }
  const picture = parseStatus(reply.body)
  if (picture === undefined) return complain(options, `what answers at ${options.socket} is not spliceway`)
  const view = options.wide ? {} : { brief: true, columns: options.columns }
  options.out.write(renderStatus(picture, view))
  return exitCode.ok
}

/** undefined: the text is not a status. */
export function parseStatus(body: string): Status | undefined {
  try {
    const value: Status | null = JSON.parse(body)
    const whole = value?.listeners && value.pools && value.workers && value.config
    // An older process says nothing of those before it.
    return whole ? { ...value, predecessors: value.predecessors ?? [] } : undefined
  } catch {
    return undefined
  }
}

/** Tables, a blank line between them. */
export function renderStatus(status: Status, view: StatusView = {}): string {
  const sections = [program, predecessors, listeners, endpoints, discovery, workers, config]
  return sections
    .map((section) =>
      section(status, (dull) => ({
        width: view.columns,
        ...(view.brief && { dull, spare: ['weight', 'name', 'priority'] }),
      })),
    )
    .filter((text) => text !== '')
    .join('\n')
}

/** `dull`: what says nothing in a column. */
type Look = (dull: TableView['dull'] & object) => TableView

function program(status: Status, look: Look): string {
  const { version, state, uptimeMs, pid, connections, plane, node } = status
  return table(
    ['version', 'state', 'uptime', 'pid', 'connections', 'node', 'plane'],
    [
      [
        version,
        state,
        shortDuration(uptimeMs),
        String(pid),
        `${connections.active}/${connections.limit}`,
        node,
        plane.why === '' ? plane.name : `${plane.name} (${plane.why})`,
      ],
    ],
    look({}),
  )
}

/** Empty when nothing is left in a process before this one. */
function predecessors({ predecessors }: Status, look: Look): string {
  const rows = predecessors.map(({ pid, version, connections, endsInMs, heardMsAgo }) => [
    String(pid),
    version,
    String(connections),
    endsInMs === null ? '' : shortDuration(endsInMs),
    heardMsAgo < silentMs ? '' : `silent for ${shortDuration(heardMsAgo)}`,
  ])
  const headings = ['old-process', 'version', 'connections', 'ends-within', 'note']
  return rows.length === 0 ? '' : table(headings, rows, look({ note: '' }))
}

function listeners(status: Status, look: Look): string {
  const { limit, limitedBy } = status.connections
  const full = status.listeners.flatMap((each) => {
    if (each.full === 'listener-limit')
      return [
        `full: listener ${each.name} is at its limit of ${each.maxConnections} connections (maxConnections)\n`,
      ]
    return []
  })
  if (status.listeners.some((each) => each.full === 'limit'))
    full.push(`full: the program is at its limit of ${limit} connections (${limitedBy})\n`)
  const rows = table(
    ['listener', 'address', 'pool', 'active', 'accepted', 'limit'],
    status.listeners.map((each) => [
      each.name,
      each.address,
      listenerPools(each),
      String(each.active),
      String(each.accepted),
      each.maxConnections === null ? '' : String(each.maxConnections),
    ]),
    look({ limit: '' }),
  )
  const refused = status.listeners.flatMap((each) => {
    const counts = Object.entries(each.refused).map(([reason, count]) => `${reason} ${count}`)
    return counts.length === 0 ? [] : [`refused: listener ${each.name}: ${counts.join(', ')}\n`]
  })
  return rows + full.join('') + refused.join('')
}

function listenerPools({ pool, routes }: Status['listeners'][number]): string {
  if (routes === 0) return pool ?? ''
  const named = `${routes} route${routes === 1 ? '' : 's'}`
  return pool === null ? named : `${named}, ${pool}`
}

function endpoints(status: Status, look: Look): string {
  const rows = status.pools.flatMap((pool) =>
    pool.endpoints.map((each) => [
      pool.name,
      each.endpoint,
      each.name ?? '',
      each.state,
      shortDuration(each.forMs),
      String(each.priority),
      String(each.weight),
      String(each.active),
      each.reason,
    ]),
  )
  const notes = status.pools.flatMap(({ name, panic, waiting }) => {
    if (panic) return `panic: no endpoint of pool ${name} is up, so all are tried\n`
    return waiting ? `waiting: no endpoint of pool ${name} is up, and panic is off: clients wait\n` : []
  })
  return (
    table(
      ['pool', 'endpoint', 'name', 'state', 'for', 'priority', 'weight', 'active', 'reason'],
      rows,
      look({ name: '', priority: '0', weight: '1', reason: '' }),
    ) + notes.join('')
  )
}

/** Empty when every pool lists its endpoints. */
function discovery({ pools }: Status, look: Look): string {
  const rows = pools.flatMap(({ name, discovery }) => {
    if (discovery === null) return []
    const { source, ageMs, endpoints } = discovery
    return [[name, source, discoveryState(discovery), shortDuration(ageMs), String(endpoints)]]
  })
  return rows.length === 0 ? '' : table(['pool', 'source', 'state', 'age', 'endpoints'], rows, look({}))
}

function discoveryState({ state, reason, failing }: DiscoveryStatus): string {
  if (state === 'none') return reason
  if (failing !== null) return `failing for ${shortDuration(failing.forMs)}: ${failing.reason}`
  return reason === '' ? 'answered' : `empty: ${reason}`
}

function workers(status: Status, look: Look): string {
  return table(
    ['worker', 'state', 'last-seen', 'active', 'restarts'],
    status.workers.map((each) => [
      String(each.index),
      each.alive ? (each.heartbeatAgeMs < hungMs ? 'alive' : 'hung') : 'dead',
      shortDuration(each.heartbeatAgeMs),
      String(each.active),
      String(each.restarts),
    ]),
    look({ restarts: '0' }),
  )
}

function config({ config }: Status, look: Look): string {
  const { source, loadedMsAgo, lastReload } = config
  const [first = '', ...more] = lastReload.message.trimEnd().split('\n')
  const row = [source, shortDuration(loadedMsAgo), lastReload.successful ? 'successful' : 'failed', first]
  const problems = more.map((line) => `${line}\n`).join('')
  return table(['config', 'age', 'last-reload', 'message'], [row], look({})) + shownLines(problems)
}
