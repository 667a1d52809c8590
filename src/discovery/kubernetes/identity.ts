import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { checkServerIdentity, createSecureContext } from 'node:tls'
import type { buildConnector } from 'undici'
import { errorText } from '../../core/wording.ts'
import { type Cluster, CredentialsError, readMaterial } from './cluster.ts'

/**
 * Which server we talk to, and as whom: a connection is opened with this, and every later request on it
 * relies on it.
 */
export interface Identity {
  readonly origin: string
  /** For messages. */
  readonly from: string
  readonly serverName: string | null
  readonly insecure: boolean
  /** PEM. */
  readonly ca: string | null
  readonly client: { readonly cert: string; readonly key: string } | null
}

/** Reads what a cluster's files say now. Throws CredentialsError. */
export async function identityOf(origin: string, cluster: Cluster): Promise<Identity> {
  const { from, serverName, insecure, ca, certificate } = cluster
  return {
    origin,
    from,
    serverName,
    insecure,
    ca: ca === null ? null : await readMaterial(ca),
    client:
      certificate === null
        ? null
        : { cert: await readMaterial(certificate.cert), key: await readMaterial(certificate.key) },
  }
}

/** How to open a TLS connection. Throws CredentialsError for what is no certificate or no key. */
export function tlsOf({ from, serverName, insecure, ca, client }: Identity): buildConnector.BuildOptions {
  if (ca !== null) checkAuthority(ca, from)
  return {
    secureContext: contextOf(ca, client, from),
    rejectUnauthorized: !insecure,
    ...(serverName !== null && {
      // RFC 6066 section 3 has no addresses in SNI, and Node refuses them; a certificate may well be for one.
      ...(isIP(serverName) === 0 && { servername: serverName }),
      checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
    }),
  }
}

function contextOf(ca: string | null, client: Identity['client'], from: string) {
  try {
    return createSecureContext({ ...(ca !== null && { ca }), ...client })
  } catch (error) {
    const what = client === null ? 'certificate-authority' : 'client-certificate and client-key'
    throw new CredentialsError(`${what} of ${from} cannot be used: ${errorText(error)}`, error)
  }
}

/** Node accepts a text that is no certificate as authority without an error, and then trusts nobody. */
function checkAuthority(pem: string, from: string): void {
  const blocks = pem.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END [^-]+-----/g) ?? []
  if (blocks.length === 0) {
    throw new CredentialsError(`certificate-authority of ${from} holds no certificate (PEM)`)
  }
  for (const block of blocks) {
    try {
      new X509Certificate(block)
    } catch (error) {
      throw new CredentialsError(`certificate-authority of ${from} is broken: ${errorText(error)}`, error)
    }
  }
}
