import { maxEndpoints, maxListeners } from '../core/tally.ts'
import { checkAddresses } from './check-addresses.ts'
import { checkAdmission, warnOfAdmission } from './check-admission.ts'
import { checkDiscovery } from './check-discovery.ts'
import { checkNames } from './check-names.ts'
import { checkTransparent, warnOfTransparent } from './check-transparent.ts'
import { checkUnix } from './check-unix.ts'
import { formatDuration } from './duration.ts'
import type { Subject } from './findings.ts'
import { probeKinds } from './health-schema.ts'
import { type Finding, findingAt } from './issue.ts'
import { poolsOf } from './listener-pools.ts'
import { suggest } from './suggest.ts'
import { find, type Path, pathText } from './tree.ts'

/** Everything wrong with a configuration whose fields are right one by one. */
export function check(subject: Subject): Finding[] {
  return [
    ...checkListening(subject),
    ...checkNames(subject),
    ...checkAdmission(subject),
    ...checkDiscovery(subject),
    ...checkAddresses(subject),
    ...checkUnix(subject),
    ...checkTransparent(subject),
    ...checkLimits(subject),
    ...checkPools(subject),
    ...checkDrain(subject),
  ]
}

/** What is allowed but probably not intended. */
export function warn(subject: Subject): Finding[] {
  const { draft, tree } = subject
  const used = new Set(draft.listeners.flatMap(({ config }) => poolsOf(config)))
  const unused = draft.pools
    .filter(({ config }) => !used.has(config.name))
    .map(({ config, at }) => {
      const found = find(tree, at)
      const message = `pool \`${config.name}\` is not used by any listener`
      return { span: found.key ?? found.tree.span, message, hint: null }
    })
  const idle = draft.pools
    .filter(({ config }) => config.onDown !== 'keep' && config.health.probe.kind === 'off')
    .map(({ at }) => {
      const onDown = find(tree, [...at, 'onDown'])
      const message = `${pathText(onDown.path)} has no effect: \`health\` is \`off\``
      return findingAt(onDown, message, 'without probes no endpoint is ever down')
    })
  return [...unused, ...idle, ...warnOfAdmission(subject), ...warnOfTransparent(subject)]
}

function checkListening({ written }: Subject): Finding[] {
  const isFilled = (key: string) => {
    const { tree, path } = find(written, [key])
    if (path.length === 0) return false
    return tree.kind === 'mapping' ? tree.entries.size > 0 : tree.kind !== 'list' || tree.items.length > 0
  }
  if (isFilled('forward') || isFilled('listeners')) return []
  // A misspelt `forwards` has been reported already.
  const keys = written.kind === 'mapping' ? [...written.entries.keys()].slice(0, maxListeners) : []
  if (keys.some((key) => suggest(key, ['forward', 'listeners']) !== undefined)) return []
  const hint = 'add a line such as `forward: { 80: 127.0.0.1:9080 }`'
  return [{ span: written.span, message: 'there is nothing to listen on', hint }]
}

function checkLimits({ draft, tree }: Subject): Finding[] {
  const findings: Finding[] = []
  const surplus = draft.listeners[maxListeners]
  if (surplus !== undefined) {
    findings.push(findingAt(find(tree, surplus.at), `there are more than ${maxListeners} listeners`, null))
  }
  let room = maxEndpoints
  for (const { config, endpointsAt } of draft.pools) {
    if (config.endpoints.length > room) {
      const message = `there are more than ${maxEndpoints} endpoints`
      findings.push(findingAt(find(tree, [...endpointsAt, room]), message, null))
      break
    }
    room -= config.endpoints.length
  }
  return findings
}

function checkPools(subject: Subject): Finding[] {
  const findings: Finding[] = []
  for (const { config, at } of subject.draft.pools) {
    const health = find(subject.tree, [...at, 'health'])
    const panic = find(subject.tree, [...at, 'panic'])
    if (health.tree.kind === 'mapping' && health.path.length > at.length) {
      const entries = [...health.tree.entries].filter(([key]) => probeKinds.includes(key))
      for (const [key, entry] of entries.slice(1)) {
        const message = `${pathText(health.path)} has a second kind of probe, \`${key}\``
        findings.push({ span: entry.key, message, hint: `keep one: \`${entries[0]?.[0]}\` is given already` })
      }
    }
    if (!config.panic && config.health.probe.kind === 'off') {
      const message = `${pathText(panic.path)} must not be \`off\` where \`health\` is`
      const hint = 'without probes no endpoint is ever down: add a probe, or leave this out'
      findings.push(findingAt(panic, message, hint))
    }
    const { intervalMs, fastIntervalMs } = config.health
    const fast = { path: [...at, 'health', 'fastInterval'], ms: fastIntervalMs }
    findings.push(...atMost(subject, fast, { path: [...at, 'health', 'interval'], ms: intervalMs }))
    if (config.outlier === null) continue
    const { baseEjectionMs, maxEjectionMs } = config.outlier
    const outlier = [...at, 'outlier']
    const base = { path: [...outlier, 'baseEjection'], ms: baseEjectionMs }
    findings.push(...atMost(subject, base, { path: [...outlier, 'maxEjection'], ms: maxEjectionMs }))
  }
  return findings
}

function checkDrain(subject: Subject): Finding[] {
  const { notReadyDelayMs, windowMs, deadlineMs } = subject.draft.config.drain
  const deadline = { path: ['drain', 'deadline'], ms: deadlineMs }
  return [
    ...atMost(subject, { path: ['drain', 'notReadyDelay'], ms: notReadyDelayMs }, deadline),
    ...atMost(subject, { path: ['drain', 'window'], ms: windowMs }, deadline),
  ]
}

interface Timed {
  readonly path: Path
  readonly ms: number
}

/** Underlines `low`, or `high` when `low` is a default. Says nothing when one of them could not be read. */
function atMost({ tree, written }: Subject, low: Timed, high: Timed): Finding[] {
  const isWritten = ({ path }: Timed) => find(tree, path).path.length === path.length
  const isLost = (timed: Timed) =>
    find(written, timed.path).path.length === timed.path.length && !isWritten(timed)
  if (low.ms <= high.ms || isLost(low) || isLost(high)) return []
  const message = `${pathText(low.path)} must not be longer than ${pathText(high.path)}`
  const [here, other] = isWritten(low) ? [low, high] : [high, low]
  const hint = isWritten(other) ? null : `${pathText(other.path)} is ${formatDuration(other.ms)} by default`
  return [findingAt(find(tree, here.path), message, hint)]
}
