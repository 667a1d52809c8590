import { CodedError } from '../../core/coded-error.ts'
import { errorCode, errorText } from '../../core/wording.ts'
import type { Cluster } from './cluster.ts'

/** The server's certificate cannot be trusted; the message says which line of which file to look at. */
export class CertificateError extends CodedError {
  constructor(message: string, cause: unknown) {
    super('ERR_CERTIFICATE', 'upstream', message, cause)
  }
}

/** The URL says http and the server speaks https, or the reverse. */
export class SchemeError extends CodedError {
  constructor(message: string, cause: unknown) {
    super('ERR_API_SCHEME', 'upstream', message, cause)
  }
}

/** undici wraps what the socket said, and Node what each of several addresses said. */
export function deepest(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return deepest(error.errors[0])
  return error instanceof Error && error.cause instanceof Error ? deepest(error.cause) : error
}

/**
 * Those of OpenSSL's X509_V_ERR_*, as Node names them, that mean: not signed by an authority that we trust.
 */
const untrusted = new Set([
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'INVALID_CA',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** The answer was not TLS: OpenSSL took the first bytes of clear text for the header of a record. */
const notTls = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
])

/**
 * Why a request got no answer, in words that lead to the line of the kubeconfig; an error that already says
 * enough is returned unchanged.
 */
export function explained(error: unknown, cluster: Cluster): unknown {
  const cause = deepest(error)
  const code = errorCode(cause)
  const [said = ''] = errorText(cause).split(';') // Node adds options of its own command line
  if (untrusted.has(code)) {
    return new CertificateError(
      cluster.ca === null
        ? `${cluster.from} has no certificate-authority, and nobody whom this host trusts has signed the server's certificate (${said})`
        : `the certificate-authority of ${cluster.from} has not signed the server's certificate (${said})`,
      cause,
    )
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return new CertificateError(`the server's certificate, or this host's clock, is wrong: ${said}`, cause)
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return new CertificateError(
      `the server's certificate is for another name (tls-server-name in a kubeconfig says which one): ${said}`,
      cause,
    )
  }
  if (cluster.server.startsWith('https:')) {
    return notTls.has(code)
      ? new SchemeError(`the URL says https, but the server speaks http (${said})`, cause)
      : error
  }
  // A server that expects TLS answers with an alert, which is no HTTP, or hangs up.
  const strange = code.startsWith('HPE_') || code === 'UND_ERR_SOCKET' || code === 'ECONNRESET'
  return strange ? new SchemeError(`${said}; the URL says http: does the server speak https?`, cause) : error
}
