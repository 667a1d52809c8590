import type { Cause } from '../core/outcome.ts'
import type { RelayEnd } from '../plane/plane.ts'

/** Why a relayed connection ended, in the words of the access log. */
export function causeOf(end: RelayEnd): Cause {
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
      return 'admin'
    case 'fault':
      return end.code === 'EMFILE' || end.code === 'ENFILE' || end.code === 'ENOBUFS' ? 'resource' : 'proxy'
  }
}
