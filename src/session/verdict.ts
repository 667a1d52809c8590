import type { Cause, EndedBy } from '../core/outcome.ts'
import type { RelayEnd } from '../plane/plane.ts'

/**
 * The endpoint reset it before its first byte, and the client had not ended it: as a dead process behind a
 * living load balancer does.
 */
export function wasCutOff({ kind, side, closed, bytesDown }: RelayEnd): boolean {
  return kind === 'reset' && side === 'upstream' && closed.first === 'server' && bytesDown === 0
}

/** Why a relayed connection ended, in the words of the access log; `endedBy`, when it was by our own hand. */
export function causeOf(end: RelayEnd, endedBy: EndedBy): Cause {
  switch (end.kind) {
    case 'clean':
      return 'none'
    case 'reset':
      return end.side === 'upstream' ? 'server' : 'client'
    case 'idle':
    case 'half-close':
    case 'stall':
      return end.side === 'upstream' ? 'server-timeout' : 'client-timeout'
    case 'finished':
    case 'killed':
      return endedBy
    case 'fault':
      return end.code === 'EMFILE' || end.code === 'ENFILE' || end.code === 'ENOBUFS' ? 'resource' : 'proxy'
  }
}
