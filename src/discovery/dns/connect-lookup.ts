import { isIP, type LookupFunction } from 'node:net'
import { CodedError } from '../../core/coded-error.ts'
import type { Lookup } from './name-lookup.ts'

/**
 * `lookup` in the form that net.connect() asks for, so that a connection to a name holds up no exit either.
 */
export function connectLookup(lookup: Lookup): LookupFunction {
  return (host, { all, family }, callback) => {
    void lookup.addresses(host).then((found) => {
      if (found.kind === 'failed') return callback(unknown(host, found.reason), [])
      const wanted = found.addresses
        .map((address) => ({ address, family: isIP(address) }))
        .filter((each) => !family || `IPv${each.family}` === family || each.family === family)
      const [first] = wanted
      if (first === undefined) callback(unknown(host, `it has no IPv${family} address`), [])
      else if (all) callback(null, wanted)
      else callback(null, first.address, first.family)
    })
  }
}

/** With the code that Node's own lookup has. */
function unknown(host: string, reason: string): NodeJS.ErrnoException {
  const error = new CodedError('ENOTFOUND', 'upstream', `${host} does not resolve: ${reason}`)
  return Object.assign(error, { hostname: host })
}
