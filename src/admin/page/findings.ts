import { hungMs, type Readiness } from '../../core/readiness.ts'
import type { ConfigStatus, Status } from '../../core/status.ts'
import type { ListenerPast, Past } from '../history.ts'
import { counted, type Finding, lasting, quoted, severities } from './finding.ts'
import { poolFindings } from './pool-findings.ts'

/** Above this part of a limit there is still time to raise it. */
const nearlyFull = 0.8
/** Failures of so long ago are told of. */
const recentMs = 300_000
/** Of the connections of that time. Fewer are a note: on a busy day some gateway always resets something. */
const worrying = 0.01

/** All that is wrong, the worst first. */
export function findingsOf(
  status: Status,
  ready: Readiness,
  past: Past,
  logCommand: string | null = null,
): readonly Finding[] {
  const found = [
    ...program(status, ready),
    ...workers(status),
    ...room(status),
    ...status.pools.flatMap(poolFindings),
    ...past.listeners.flatMap((listener) => failing(listener, past.everyMs, logCommand)),
    ...configuration(status.config),
  ]
  return found.toSorted((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity))
}

function program({ state }: Status, { ok, reasons }: Readiness): Finding[] {
  const about = { kind: 'program' } as const
  if (state === 'draining') {
    const what = 'This process is draining: it takes no new connections'
    const remedy = 'Nothing, if somebody stopped it or a newer process has its place. The log says who asked.'
    return [{ severity: 'note', what, why: '', remedy, command: 'spliceway status', about }]
  }
  if (state === 'starting') {
    const what = 'This process is starting: it takes no connections yet'
    const remedy = 'Wait a moment. If it stays like this, the log says what it waits for.'
    return [{ severity: 'hurts', what, why: '', remedy, command: null, about }]
  }
  if (ok) return []
  const what = 'Not ready: /readyz says 503, and load balancers send no new connections here'
  const remedy = 'It is ready again by itself when these reasons are gone.'
  return [{ severity: 'blocks', what, why: reasons.join('; '), remedy, command: 'spliceway ready', about }]
}

function workers({ workers }: Status): Finding[] {
  const about = { kind: 'workers' } as const
  const command = 'spliceway status -o wide'
  return workers.flatMap(({ index, alive, heartbeatAgeMs, active, restarts }): Finding[] => {
    if (!alive) {
      const what = `Worker ${index} died and is being replaced`
      const remedy = 'Its connections are lost. The log has the error: please report it.'
      return [{ severity: 'blocks', what, why: '', remedy, command, about }]
    }
    if (heartbeatAgeMs >= hungMs) {
      const what = `Worker ${index} has given no sign of life for ${lasting(heartbeatAgeMs)}: its ${counted(active)} connections stand still`
      const remedy = 'Look whether the machine has processor time to give; if it has, restart and report it.'
      return [{ severity: 'blocks', what, why: '', remedy, command, about }]
    }
    if (restarts === 0) return []
    const what = `Worker ${index} has died ${restarts === 1 ? 'once' : `${restarts} times`} since the start`
    const remedy = 'It serves again. That is a fault of the program: the log has the error, please report it.'
    return [{ severity: 'note', what, why: '', remedy, command: null, about }]
  })
}

function room({ connections, listeners }: Status): Finding[] {
  const { active, limit, limitedBy } = connections
  const whole = listeners.some(({ full }) => full === 'limit')
  const about = { kind: 'program' } as const
  const most = 'See who has most of them, or raise the limit'
  const top = 'spliceway connections --top client'
  const found: Finding[] = []
  if (whole) {
    const what = `The program is full: ${counted(active)} of ${counted(limit)} connections; new clients wait or are reset`
    const remedy = `${most}.`
    found.push({ severity: 'blocks', what, why: `limited by: ${limitedBy}`, remedy, command: top, about })
  } else if (active >= nearlyFull * limit) {
    const what = `The program is nearly full: ${counted(active)} of ${counted(limit)} connections`
    const remedy = `${most} before it is reached.`
    found.push({ severity: 'hurts', what, why: `limited by: ${limitedBy}`, remedy, command: top, about })
  }
  for (const { name, active, maxConnections, full } of listeners) {
    if (maxConnections === null || full === 'limit' || active < nearlyFull * maxConnections) continue
    const isFull = full === 'listener-limit'
    const counts = `${counted(active)} of ${counted(maxConnections)} connections`
    found.push({
      severity: isFull ? 'blocks' : 'hurts',
      what: `Listener ${name} is ${isFull ? `full: ${counts}; new clients wait or are reset` : `nearly full: ${counts}`}`,
      why: 'limited by: maxConnections of the listener',
      remedy: 'See who has most of them, or raise maxConnections and reload.',
      command: `spliceway connections --listener ${quoted(name)} --top client`,
      about: { kind: 'listener', name },
    })
  }
  return found
}

/** Clients that got no answer, or lost it, a moment ago. */
function failing(
  { name, failed, accepted }: ListenerPast,
  everyMs: number,
  logCommand: string | null,
): Finding[] {
  const values = Math.ceil(recentMs / everyMs)
  const sum = (counts: ListenerPast['failed']): number =>
    counts.slice(-values).reduce<number>((total, value) => total + (value ?? 0), 0)
  const count = sum(failed)
  if (count === 0) return []
  const all = Math.max(count, sum(accepted))
  return [
    {
      severity: count >= worrying * all ? 'hurts' : 'note',
      what: `Listener ${name}: ${counted(count)} of ${counted(all)} connections failed in the last ${lasting(recentMs)}`,
      why: '',
      remedy: 'The access log has a line of level warn for each, with its cause and every dial.',
      command: logCommand,
      about: { kind: 'listener', name },
    },
  ]
}

function configuration({ source, lastReload }: ConfigStatus): Finding[] {
  if (lastReload.successful) return []
  const [first = ''] = lastReload.message.trim().split('\n')
  return [
    {
      severity: 'hurts',
      what: 'The last reload was refused: the configuration before it is in use, and a restart would fail',
      why: first,
      remedy: 'Mend the file, check it, and reload.',
      command: `spliceway check ${quoted(source)} && spliceway reload`,
      about: { kind: 'configuration' },
    },
  ]
}
