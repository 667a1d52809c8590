import type { DiscoveryStatus, EndpointStatus, PoolStatus } from '../../core/status.ts'
import { someOf } from '../../core/wording.ts'
import { type Finding, lasting, quoted, type Severity } from './finding.ts'

/**
 * More endpoints of a pool than this that are not up are one finding: a list of fifty hides what comes next.
 */
const mostApart = 3

/** What is wrong with a pool: with all of it, with where its endpoints come from, with single endpoints. */
export function poolFindings(pool: PoolStatus): readonly Finding[] {
  return [...whole(pool), ...discovery(pool), ...single(pool)]
}

function whole(pool: PoolStatus): Finding[] {
  const { name, endpoints, panic, waiting } = pool
  const about = { kind: 'pool', name } as const
  if (endpoints.length === 0) {
    const what = `Pool ${name} has no endpoint: its clients reach nobody`
    const why = pool.discovery?.reason ?? ''
    const remedy =
      'Look whether the gateways run, and whether the place where they are looked for lists them.'
    return [{ severity: 'blocks', what, why, remedy, command: 'spliceway doctor --probe', about }]
  }
  if (endpoints.some(inUse)) return []
  const known = endpoints.filter(({ state }) => state !== 'unresolved')
  const drained = known.length > 0 && known.every(({ state }) => state === 'draining')
  const tried = panic ? ', so all are tried' : waiting ? ', and panic is off: its clients wait' : ''
  const what = `No endpoint of pool ${name} is up${drained ? ': all are drained by hand' : tried}`
  const why = reasonsOf(endpoints)
  if (drained) {
    const command = `spliceway endpoint ${quoted(name)} ${quoted(known[0]?.endpoint ?? '')} ready`
    return [{ severity: 'blocks', what, why, remedy: 'Take one back into use.', command, about }]
  }
  const remedy = 'Start the gateways, or open the way to them: what is wrong with each is told below.'
  return [{ severity: 'blocks', what, why, remedy, command: 'spliceway doctor --probe', about }]
}

function discovery({ name, discovery }: PoolStatus): Finding[] {
  if (discovery?.failing == null) return []
  const { source, failing, endpoints }: DiscoveryStatus = discovery
  const last = endpoints === 1 ? 'the one found last is' : `the ${endpoints} found last are`
  return [
    {
      severity: 'hurts',
      what: `Pool ${name}: nobody has confirmed its endpoints for ${lasting(failing.forMs)}; ${last} used`,
      why: `${source}: ${failing.reason}`,
      remedy: 'Clients are served as long as these endpoints stay where they are. Look after the source.',
      command: 'spliceway doctor',
      about: { kind: 'pool', name },
    },
  ]
}

function single({ name, endpoints }: PoolStatus): Finding[] {
  const bad = endpoints.filter(({ state }) => state !== 'draining' && isBad(state))
  const about = { kind: 'pool', name } as const
  const drained = endpoints.filter(({ state }) => state === 'draining').map((each) => drainedOne(name, each))
  const own = drained.length > mostApart ? [] : drained
  if (bad.length <= mostApart) return [...bad.map((each) => badOne(name, each)), ...own]
  const what = `${bad.length} of ${endpoints.length} endpoints of pool ${name} are not up: ${someOf(bad.map(({ endpoint }) => endpoint))}`
  const remedy = 'What they have in common is the likely cause: a host, a rack, a firewall, a rollout.'
  const why = reasonsOf(bad)
  return [{ severity: 'hurts', what, why, remedy, command: 'spliceway doctor --probe', about }, ...own]
}

/** It gets its share of connections. */
function inUse({ state }: EndpointStatus): boolean {
  return state === 'up' || state === 'unknown' || state === 'suspect' || state === 'silent'
}

function isBad(state: EndpointStatus['state']): boolean {
  return state !== 'up' && state !== 'unknown'
}

function badOne(pool: string, { endpoint, name, state, reason, forMs }: EndpointStatus): Finding {
  const told = tellings[state === 'up' || state === 'unknown' || state === 'draining' ? 'down' : state]
  return {
    severity: 'hurts',
    what: `${endpoint} of pool ${pool} ${told.what} for ${lasting(forMs)}`,
    why: reason,
    remedy: told.remedy,
    command: told.command({ pool, endpoint, name: name ?? endpoint }),
    about: { kind: 'pool', name: pool },
  }
}

interface Names {
  readonly pool: string
  readonly endpoint: string
  readonly name: string
}
interface Telling {
  readonly what: string
  readonly remedy: string
  readonly command: (names: Names) => string
}

const probe = (): string => 'spliceway doctor --probe'
const tellings: Readonly<Record<'down' | 'ejected' | 'suspect' | 'silent' | 'unresolved', Telling>> = {
  down: {
    what: 'has been down',
    remedy: 'Others of its pool get its connections. Start the gateway there, or open the way to its port.',
    command: probe,
  },
  ejected: {
    what: 'has been ejected',
    remedy: 'Clients saw it fail, whatever its probes say. It is tried again by itself; read its own log.',
    command: probe,
  },
  suspect: {
    what: 'has not answered dials',
    remedy: 'Others are asked first. Its host may be gone, or a firewall drops the way to it.',
    command: probe,
  },
  silent: {
    what: 'has accepted connections and said nothing',
    remedy: 'Others are asked first. The process there hangs or waits for something: read its own log.',
    command: ({ pool, endpoint }) =>
      `spliceway connections --pool ${quoted(pool)} --endpoint ${quoted(endpoint)}`,
  },
  unresolved: {
    what: 'has had no address',
    remedy: 'The name does not resolve. Ask for it on this host, and mend the name or the name server.',
    command: ({ name }) => `getent ahosts ${quoted(name)}`,
  },
}

function drainedOne(pool: string, { endpoint, active, forMs }: EndpointStatus): Finding {
  const severity: Severity = 'note'
  return {
    severity,
    what: `${endpoint} of pool ${pool} has been drained by hand for ${lasting(forMs)}; ${active} ${active === 1 ? 'connection is' : 'connections are'} left`,
    why: '',
    remedy: 'It stays out of use until somebody takes it back.',
    command: `spliceway endpoint ${quoted(pool)} ${quoted(endpoint)} ready`,
    about: { kind: 'pool', name: pool },
  }
}

/** The reasons, each once. */
function reasonsOf(endpoints: readonly EndpointStatus[]): string {
  return someOf([...new Set(endpoints.map(({ reason }) => reason).filter((reason) => reason !== ''))])
}
