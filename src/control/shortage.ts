import type { After } from '../core/after.ts'
import type { Log } from '../core/log.ts'
import type { Attempt } from '../core/outcome.ts'

/** How often the counters are looked at; a shortage is over when none of them grew for `quietLooks`. */
const everyMs = 1_000
const quietLooks = 5

export interface Shortage {
  /** Looks at an Attempt's error: only local ones concern it. */
  attempt(attempt: Attempt): void
  stop(): void
}

/** A limit of connections, and what it does to new ones. */
export interface LimitNow {
  /** `the program`, `listener https`: what has the limit. */
  readonly whose: string
  readonly connections: number
  /** The key, or the resource, that it comes from. */
  readonly limitedBy: string
  /** Connections turned away at accept so far because of it. */
  readonly rejected: number
  /** Connections wait in the kernel's backlog because of it. */
  readonly waiting: boolean
}

export interface ShortageOptions {
  readonly log: Log
  readonly after: After
  /** The limits that there are now. */
  readonly limits: () => readonly LimitNow[]
  /** Connections turned away so far because this host had no descriptor or no memory for them. */
  readonly refused: () => number
  /** `pool web: endpoint 10.0.0.5:9443` of a slot. */
  readonly nameOf: (slot: number) => string
  /** Connections to it begin at the client's address. */
  readonly transparent: (slot: number) => boolean
}

interface Watch {
  readonly begin: string
  /** What is said when it is over, with how often it was seen. */
  readonly over: (count: number) => string
  count: number
  seen: number
  /** 0: not short. */
  quietIn: number
}

/**
 * What this machine ran out of, connections, local ports, descriptors: said once with what to change, and
 * once when over.
 */
export function watchShortage(options: ShortageOptions): Shortage {
  const { log, after, limits, refused, nameOf, transparent } = options
  const watches = new Map<string, Watch>()
  const rejectedBy = (): Map<string, number> =>
    new Map(limits().map(({ whose, rejected }) => [whose, rejected]))
  let turnedAway = rejectedBy()
  let cutOff = refused()

  const note = (
    key: string,
    begin: string,
    over: Watch['over'],
    count: number,
    fields: object = {},
  ): void => {
    const watch = watches.get(key) ?? { begin, over, count: 0, seen: 0, quietIn: 0 }
    watches.set(key, watch)
    watch.count += count
    if (watch.quietIn === 0) log.error(fields, begin)
    watch.quietIn = quietLooks
  }
  const lookAt = (limit: LimitNow): void => {
    const { whose, rejected, waiting, connections, limitedBy } = limit
    const more = rejected - (turnedAway.get(whose) ?? 0)
    const fields = { limit: whose, connections, limitedBy }
    if (more > 0)
      note(`reset ${whose}`, limitText(limit, 'are reset'), (n) => resetText(whose, n), more, fields)
    if (waiting)
      note(
        `waiting ${whose}`,
        limitText(limit, 'wait in the backlog'),
        (n) => waitedText(whose, n),
        1,
        fields,
      )
  }
  const look = (): void => {
    for (const limit of limits()) lookAt(limit)
    turnedAway = rejectedBy()
    const now = refused()
    if (now > cutOff) note('refused', refusedText, takenText, now - cutOff)
    cutOff = now
    for (const [key, watch] of watches) {
      if (watch.count > watch.seen) watch.quietIn = quietLooks
      else watch.quietIn--
      watch.seen = watch.count
      if (watch.quietIn > 0) continue
      watches.delete(key)
      log.info({ count: watch.count }, watch.over(watch.count))
    }
    cancel = after(everyMs, look)
  }
  let cancel = after(everyMs, look)
  return {
    attempt({ slot, error }) {
      if (error?.reason === 'ports-exhausted') {
        const name = nameOf(slot)
        note(
          `ports ${slot}`,
          transparent(slot) ? clientPortsText(name, error.code) : portsText(name, error.code),
          (count) => `${name}: local ports are free again (${count} dials failed)`,
          1,
        )
      } else if (error?.reason === 'local' && transparent(slot) && isOfClient(error.code)) {
        note(
          `client ${slot}`,
          fromClientText(nameOf(slot), error.code),
          (count) =>
            `${nameOf(slot)}: connections can begin at clients' addresses again (${count} could not)`,
          1,
        )
      } else if (error?.reason === 'local') {
        note(
          'local',
          localText(error.code),
          (count) => `connections can be opened again (${count} could not)`,
          1,
        )
      }
    },
    stop: () => cancel(),
  }
}

function limitText({ whose, connections, limitedBy }: LimitNow, what: string): string {
  return `${whose}: its connection limit is reached: new connections ${what} (limit ${connections}, by ${limitedBy}). ${raise}`
}

const resetText = (whose: string, count: number) =>
  `${whose}: below its connection limit again (${count} connections were reset)`

const refusedText =
  'this host has no descriptor or no memory for new connections: they are reset. Look at its free memory, ' +
  'LimitNOFILE= (systemd) or ulimit -n, and fs.epoll.max_user_watches'
const takenText = (count: number) => `connections are taken again (${count} were reset)`

/** It is looked once a second whether connections wait. */
const waitedText = (whose: string, count: number) =>
  `${whose}: below its connection limit again (connections waited for about ${count} s)`

const raise =
  "Raise limits.connections or the listener's maxConnections, LimitNOFILE= or the memory limit, or add a node"

/** 28,232 ports (32768 to 60999) and 60 s TIME_WAIT: about 470 new connections a second to one endpoint. */
function portsText(name: string, code: string): string {
  return (
    `${name}: no local port is free (${code}); the endpoint is not to blame and is not ejected. ` +
    'One source address has about 28,000 ports, each busy for 60 s after its connection: about 470 connections/s to one ' +
    'gateway port. Widen net.ipv4.ip_local_port_range, set net.ipv4.tcp_tw_reuse=1, or give connect.source more addresses'
  )
}

/** Not the clients together, but one of them has used up its ports. */
function clientPortsText(name: string, code: string): string {
  return (
    `${name}: a client has no port left (${code}): the pool is transparent, and one client's address has about 28,000 ports ` +
    'to one gateway port, each busy for 60 s after its connection; the endpoint is not to blame and is not ejected. ' +
    "Limit it with the listener's perSource, or widen net.ipv4.ip_local_port_range"
  )
}

function isOfClient(code: string): boolean {
  return code === 'EPERM' || code === 'EINVAL'
}

function fromClientText(name: string, code: string): string {
  const why =
    code === 'EPERM'
      ? 'this process has lost CAP_NET_RAW'
      : 'there is no way from there: 127.0.0.1 reaches this host alone, and link-local addresses their own network'
  return `${name}: a connection cannot begin at the client's address (${code}): ${why}; no endpoint is ejected for it`
}

function localText(code: string): string {
  return (
    `this process cannot open connections (${code}): raise LimitNOFILE= (systemd) or ulimit -n, ` +
    'or lower limits.connections; no endpoint is ejected for it'
  )
}
