import type { DialFailure } from '../core/outcome.ts'

/** What a failed dial's errno name means; `fromClient`: of one that was to begin at the client's address. */
export function reasonOf(code: string, fromClient: boolean): DialFailure {
  // No CAP_NET_RAW; or from 127.0.0.1, a client on this host, to an endpoint on another one.
  if (fromClient && (code === 'EPERM' || code === 'EINVAL')) return 'local'
  switch (code) {
    case 'ECONNREFUSED':
    case 'ENOENT': // a UNIX socket that nobody has made
      return 'refused'
    case 'ETIMEDOUT':
      return 'timeout'
    case 'ECONNRESET':
      return 'reset'
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
      return 'unreachable'
    case 'EADDRNOTAVAIL':
    case 'EADDRINUSE':
    case 'EAGAIN': // Linux: no local port left for this destination; of a UNIX socket dialEndpoint() takes it
      return 'ports-exhausted'
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOBUFS':
    case 'ENOMEM':
      return 'local'
    default:
      return 'other'
  }
}
