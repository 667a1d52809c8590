import { parseCidr } from '../core/cidr.ts'
import type { ConnectionFilter } from '../core/connection.ts'

/**
 * The filter of `GET /connections?listener=…&pool=…&endpoint=…&client=CIDR&olderMs=…&idleMs=…`, or what is
 * wrong with it. A word that is not known is wrong: it would show more than was asked for.
 */
export function readConnectionQuery(query: string): ConnectionFilter | string {
  const given = new URLSearchParams(query)
  const unknown = [...given.keys()].find((key) => !keys.has(key))
  if (unknown !== undefined)
    return `unknown filter ${JSON.stringify(unknown)}; there are: ${[...keys].join(', ')}`
  const range = given.get('client')
  const client = range === null ? null : parseCidr(range)
  if (client?.kind === 'bad') return `client ${JSON.stringify(range)} ${client.message}: ${client.hint}`
  const olderMs = wholeMs(given.get('olderMs'))
  const idleMs = wholeMs(given.get('idleMs'))
  if (olderMs === undefined || idleMs === undefined) return 'olderMs and idleMs are whole milliseconds'
  return {
    listener: given.get('listener'),
    pool: given.get('pool'),
    endpoint: given.get('endpoint'),
    client: client?.cidr ?? null,
    olderMs,
    idleMs,
  }
}

const keys: ReadonlySet<string> = new Set(['listener', 'pool', 'endpoint', 'client', 'olderMs', 'idleMs'])

function wholeMs(text: string | null): number | undefined {
  if (text === null) return 0
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
