import { networkInterfaces } from 'node:os'
import type { Config } from './config/config.ts'
import { type Host, WorkersFailed } from './control/workers/threads.ts'
import { CodedError } from './core/coded-error.ts'
import type { Status } from './core/status.ts'
import { closeAbandoned } from './linux/abandoned.ts'
import { IPPROTO_TCP, TCP_QUICKACK } from './linux/constants.ts'
import { Fd } from './linux/fd.ts'
import { must } from './linux/libc.ts'
import type { LoadedLibc } from './linux/load-libc.ts'
import { judgeOrphan } from './linux/orphan.ts'
import { selfTest } from './plane/splice/self-test.ts'
import type { HoldAck } from './probe/tcp.ts'

/** A valid configuration that this host cannot run. */
export class ConfigError extends CodedError {
  constructor(message: string) {
    super('ERR_CONFIG_HOST', 'internal', message)
  }
}

/** `auto` takes splice where it works. Throws ConfigError when the plane that is asked for does not. */
export function choosePlane(wanted: Config['plane'], loaded: LoadedLibc): Status['plane'] {
  if (wanted === 'net') return { name: 'net', why: 'as configured' }
  const obstacle = loaded.kind === 'missing' ? loaded.reason : selfTest(loaded.libc)
  if (obstacle === null)
    return { name: 'splice', why: wanted === 'auto' ? 'self-test passed' : 'as configured' }
  if (wanted === 'auto') return { name: 'net', why: obstacle }
  throw new ConfigError(
    `error: plane: splice does not work here: ${obstacle}\n = use plane: auto, which falls back to net`,
  )
}

/**
 * The plane that is left when every worker dies at its start on the one that `auto` has chosen. Throws
 * `failure` when there is none.
 */
export function otherPlane(
  wanted: Config['plane'],
  used: Status['plane'],
  failure: unknown,
): Status['plane'] {
  if (wanted !== 'auto' || used.name === 'net' || !(failure instanceof WorkersFailed)) throw failure
  return { name: 'net', why: failure.message }
}

/** Throws ConfigError when `what` needs system calls that are not there. */
export function needLibc(loaded: LoadedLibc, what: string): void {
  if (loaded.kind === 'loaded') return
  throw new ConfigError(`error: ${what} cannot be used: ${loaded.reason}`)
}

/**
 * Without koffi there are no duplicates, no eventfd to wake a worker by, and no descriptors that a dead one
 * leaves.
 */
export function hostBy(loaded: LoadedLibc): Host {
  if (loaded.kind === 'missing') {
    return { duplicate: null, turnAway() {}, wake() {}, closeAbandoned() {}, judge: null }
  }
  const { libc } = loaded
  return {
    duplicate: (descriptor) => must('fcntl(F_DUPFD_CLOEXEC)', libc.duplicate(descriptor)).n,
    turnAway: (descriptor) => void libc.dropSyns(descriptor),
    wake: (descriptor) => void libc.raiseEventfd(descriptor),
    closeAbandoned: (open) => closeAbandoned(libc, open),
    judge: (pair) => judgeOrphan(libc, pair),
  }
}

/** What does not work without koffi, a sentence each. */
export function lossesBy(loaded: LoadedLibc): readonly string[] {
  if (loaded.kind === 'loaded') return []
  return [
    'the accept queue of a worker that dies is lost with it',
    'urgent bytes (MSG_OOB) are lost, and a peer that resets is told of 1 s after the last write',
  ].map((loss) => `${loaded.reason}: ${loss}`)
}

/** null: without koffi a probe's handshake is over before its reset. */
export function holdAckBy(loaded: LoadedLibc): HoldAck | null {
  if (loaded.kind === 'missing') return null
  // If it fails the endpoint sees the probe's connection, which is no reason to call the endpoint down.
  return (descriptor) => void loaded.libc.setOption(new Fd(descriptor), IPPROTO_TCP, TCP_QUICKACK, 0)
}

/**
 * Without AF_NETLINK, which systemd can forbid, the addresses are not known: then only the check of the
 * configuration counts.
 */
export function hostAddresses(): readonly string[] {
  try {
    return Object.values(networkInterfaces()).flatMap(
      (addresses) => addresses?.map(({ address }) => address) ?? [],
    )
  } catch {
    return []
  }
}
