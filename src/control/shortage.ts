import type { Attempt } from '../core/outcome.ts'
import type { After } from './after.ts'
import type { Log } from './log.ts'

/** How often the counters are looked at; a shortage is over when none of them grew for `quietLooks`. */
const everyMs = 1_000
const quietLooks = 5

export interface Shortage {
  /** Looks at an Attempt's error: only local ones concern it. */
  attempt(attempt: Attempt): void
  stop(): void
}

export interface ShortageOptions {
  readonly log: Log
  readonly after: After
  /** Connections turned away at accept so far because of a limit, over all listeners. */
  readonly rejected: () => number
  /** The same because this host had no descriptor or no memory for them. */
  readonly refused: () => number
  /** Connections wait in the kernel's backlog, because a limit is reached. */
  readonly waiting: () => boolean
  readonly limit: () => number
  /** `pool web: endpoint 10.0.0.5:9443` of a slot. */
  readonly nameOf: (slot: number) => string
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

/** What this machine ran out of, connections, local ports, descriptors: said once with what to change, and once when over. */
export function watchShortage(options: ShortageOptions): Shortage {
  const { log, after, rejected, refused, waiting, limit, nameOf } = options
  const watches = new Map<string, Watch>()
  let turnedAway = rejected()
  let cutOff = refused()

  const note = (key: string, begin: string, over: Watch['over'], count: number): void => {
    const watch = watches.get(key) ?? { begin, over, count: 0, seen: 0, quietIn: 0 }
    watches.set(key, watch)
    watch.count += count
    if (watch.quietIn === 0) log.error({}, begin)
    watch.quietIn = quietLooks
  }
  const look = (): void => {
    const [now, nowRefused] = [rejected(), refused()]
    if (now > turnedAway) note('limit', limitText(limit()), resetText, now - turnedAway)
    if (nowRefused > cutOff) note('refused', refusedText, takenText, nowRefused - cutOff)
    turnedAway = now
    cutOff = nowRefused
    if (waiting()) note('waiting', waitText(limit()), waitedText, 1)
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
          portsText(name, error.code),
          (count) => `${name}: local ports are free again (${count} dials failed)`,
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

function limitText(limit: number): string {
  return `a connection limit is reached: new connections are reset (program: ${limit}). ${raise}`
}

const resetText = (count: number) => `below the connection limit again (${count} connections were reset)`

const refusedText =
  'this host has no descriptor or no memory for new connections: they are reset. Look at its free memory, ' +
  'LimitNOFILE= (systemd) or ulimit -n, and fs.epoll.max_user_watches'
const takenText = (count: number) => `connections are taken again (${count} were reset)`

/** It is looked once a second whether connections wait. */
const waitedText = (count: number) =>
  `below the connection limit again (connections waited for about ${count} s)`

function waitText(limit: number): string {
  return `a connection limit is reached: new connections wait in the backlog (program: ${limit}). ${raise}`
}

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

function localText(code: string): string {
  return (
    `this process cannot open connections (${code}): raise LimitNOFILE= (systemd) or ulimit -n, ` +
    'or lower limits.connections; no endpoint is ejected for it'
  )
}
