import { tmpdir } from 'node:os'
import { adminSocketPath, runningSocketPath } from '../admin/socket-path.ts'
import type { Config } from '../config/config.ts'
import { wayBackOf } from '../control/transparency.ts'
import type { SocketAddress } from '../core/address.ts'
import type { Status } from '../core/status.ts'
import type { WayBackFound } from '../core/way-back.ts'
import { diagnose } from '../doctor/diagnose.ts'
import type { Plane, Running } from '../doctor/facts.ts'
import { type Finding, shellQuoted } from '../doctor/finding.ts'
import { look } from '../doctor/look.ts'
import { nobody, subjectOf, subjectOfStatus } from '../doctor/subject.ts'
import { choosePlane } from '../host.ts'
import { loadLibc } from '../linux/load-libc.ts'
import { addressesOfDevices, asksFirst } from '../transparent.ts'
import { ask, type Writer } from './client.ts'
import { exitCode } from './exit-code.ts'

export interface DoctorOptions {
  /** null: none was named, and there is none where it usually is. */
  readonly file: { readonly name: string; readonly config: Config } | null
  /** The admin socket that was named; null: none. */
  readonly socket: string | null
  readonly json: boolean
  /** Whether to speak to gateways. */
  readonly probe: boolean
  readonly out: Writer
}

/** `spliceway doctor`: what is wrong on this node. Resolves to 1 when something blocks, else 0. */
export async function doctor({ file, socket, json, probe, out }: DoctorOptions): Promise<number> {
  const unseen: string[] = []
  const miss = (what: string): void => void unseen.push(what)
  const path = socket ?? socketOf(file?.config ?? null)
  const running = await findRunning(path, miss)
  const status = running.kind === 'answers' ? running.status : null
  const byStatus = status === null ? nobody : subjectOfStatus(status)
  const subject = file === null ? byStatus : subjectOf(file.config, file.name, status)
  if (subject.source === null)
    miss('ports and gateways: there is no configuration (-c FILE), and nothing runs that could be asked')
  const findings = diagnose(
    await look({ subject, running, plane: planeHere(), probe, wayBack: waysBack() }, miss),
  )
  out.write(json ? asJson(findings, unseen) : asText(findings, unseen, subject.source))
  return findings.some(({ severity }) => severity === 'blocks') ? exitCode.failure : exitCode.ok
}

function socketOf(config: Config | null): string {
  const configured = config?.admin.socket
  if (configured?.kind === 'path') return configured.path
  return runningSocketPath(adminSocketPath(process.env, process.getuid?.() ?? 0, tmpdir()))
}

async function findRunning(socket: string, miss: (what: string) => void): Promise<Running> {
  const reply = await ask(socket, 'GET', '/status')
  if (reply.kind === 'answered') {
    const status = statusOf(reply.body)
    if (reply.status === 200 && status !== null) return { kind: 'answers', status }
    return { kind: 'silent', socket }
  }
  if (reply.message.startsWith('no answer')) return { kind: 'silent', socket }
  if (reply.message.startsWith('no permission')) miss(`the running process: no permission for ${socket}`)
  return { kind: 'nobody' }
}

/** null: not a status. */
function statusOf(body: string): Status | null {
  try {
    const value: Status | null = JSON.parse(body)
    return value?.listeners && value.pools ? value : null
  } catch {
    return null
  }
}

/** Asks as a client of a transparent pool would be seen. */
function waysBack(): (endpoint: SocketAddress) => Promise<WayBackFound> {
  const answers = asksFirst(loadLibc(), (ms, fire) => {
    const timer = setTimeout(fire, ms)
    return () => clearTimeout(timer)
  })
  return (endpoint) => wayBackOf(endpoint, answers, addressesOfDevices)
}

/** Which way bytes would go in a process that is started here. */
function planeHere(): Plane {
  const { name, why } = choosePlane('auto', loadLibc())
  return name === 'splice' ? { kind: 'splice' } : { kind: 'net', why }
}

/** For programs: commands are lines for a POSIX shell. */
function asJson(findings: readonly Finding[], unseen: readonly string[]): string {
  const shown = findings.map(({ proof, remedy, ...rest }) => ({
    ...rest,
    proof: shellQuoted(proof),
    remedy: { ...remedy, commands: remedy.commands.map(shellQuoted) },
  }))
  return `${JSON.stringify({ findings: shown, unseen }, null, 2)}\n`
}

function asText(findings: readonly Finding[], unseen: readonly string[], source: string | null): string {
  const blocks = findings.map(({ code, severity, what, proof, remedy }) => {
    const commands = remedy.commands.map((words) => `          ${shellQuoted(words)}\n`).join('')
    const settings = remedy.settings.map(({ key, value }) => `          ${key}: ${value}\n`).join('')
    return `${severity.padEnd(6)}  ${code}\n        ${printable(what)}\n  see:  ${shellQuoted(proof)}\n  do:   ${printable(remedy.advice)}\n${commands}${settings}`
  })
  const dark = unseen.map((what) => `        ${printable(what)}\n`).join('')
  const parts = [
    ...blocks,
    ...(dark === '' ? [] : [`could not be seen:\n${dark}`]),
    summary(findings, source),
  ]
  return parts.join('\n')
}

function summary(findings: readonly Finding[], source: string | null): string {
  const count = (severity: string): number => findings.filter((each) => each.severity === severity).length
  const of = source === null ? 'this node' : source
  return `${of}: ${count('blocks')} block${count('blocks') === 1 ? 's' : ''}, ${count('hurts')} hurt${count('hurts') === 1 ? 's' : ''}, ${count('note')} to note\n`
}

/** A rule's comment or a gateway's name may hold anything. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '·')
}
