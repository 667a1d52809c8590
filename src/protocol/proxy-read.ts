import { needs, notProxy, type ProxyRead } from './proxy-found.ts'
import { readProxyV1, shortestV1, v1Signature } from './proxy-read-v1.ts'
import { headBytes, readProxyV2, v2Signature } from './proxy-read-v2.ts'

/**
 * Reads a PROXY header of either version off the front. Consumes nothing, keeps no reference to `bytes`,
 * never throws. Decides at the first byte that decides: more bytes never change an answer other than
 * `incomplete`.
 */
export function readProxy(bytes: Uint8Array): ProxyRead {
  if (agree(bytes, v1Signature))
    return bytes.length < v1Signature.length ? needs(shortestV1) : readProxyV1(bytes)
  if (agree(bytes, v2Signature))
    return bytes.length <= v2Signature.length ? needs(headBytes) : readProxyV2(bytes)
  return notProxy
}

/** Do they agree as far as both go? */
function agree(bytes: Uint8Array, signature: Uint8Array): boolean {
  const length = Math.min(bytes.length, signature.length)
  for (let i = 0; i < length; i++) if (bytes[i] !== signature[i]) return false
  return true
}
