import type { SocketAddress } from './address.ts'
import type { Exceeded, PerSourceLimit, PerSourceTable } from './per-source.ts'
import { covers, type Ranges } from './ranges.ts'

/** Who may connect to a listener. */
export interface Admission {
  /** The listener's slot: limits are its own. */
  readonly listener: number
  /** Of the peers in `from` a PROXY header is required; null: of nobody, and none is read. */
  readonly header: { readonly from: Ranges; readonly others: 'refuse' | 'direct' } | null
  /** null: everybody. */
  readonly allow: Ranges | null
  /** null: nobody. */
  readonly deny: Ranges | null
  readonly perSource: PerSourceLimit | null
}

/** What becomes of a connection at accept. */
export type PeerVerdict =
  | Admitted
  | Refused
  /** A header comes first; admitClient() decides by whom it names. */
  | { readonly kind: 'header' }

export type ClientVerdict = Admitted | Refused

export interface Admitted {
  readonly kind: 'admitted'
  /** Of the table of sources, to be released at the connection's end; null: it is not counted. */
  readonly entry: number | null
  /**
   * `untracked`: there was no room to count it. What would have refused it, in a dry run. null: there is
   * nothing to say.
   */
  readonly note: 'untracked' | Exceeded | null
}

export interface Refused {
  readonly kind: 'refused'
  readonly reason: 'denied' | 'proxy-header' | 'per-source'
  /** Which limit of a source; null for the other reasons. */
  readonly exceeded: Exceeded | null
}

const admitted: Admitted = { kind: 'admitted', entry: null, note: null }
const admittedUntracked: Admitted = { kind: 'admitted', entry: null, note: 'untracked' }
const denied: Refused = { kind: 'refused', reason: 'denied', exceeded: null }
const withoutHeader: Refused = { kind: 'refused', reason: 'proxy-header', exceeded: null }
const needsHeader: PeerVerdict = { kind: 'header' }

/**
 * At accept, by who connected. A peer that has to send a header is looked at once here, by the deny list
 * alone: it is a balancer, and neither an allow list of clients nor the limit of one client is about it.
 * Everybody else is decided.
 */
export function admitPeer(
  admission: Admission,
  table: PerSourceTable,
  peer: SocketAddress,
  nowMs: number,
): PeerVerdict {
  const { header, deny } = admission
  if (header === null) return admitClient(admission, table, peer, nowMs)
  if (!covers(header.from, peer)) {
    return header.others === 'refuse' ? withoutHeader : admitClient(admission, table, peer, nowMs)
  }
  return deny !== null && covers(deny, peer) ? denied : needsHeader
}

/**
 * By whom the connection is for: deny wins, an allow list turns away the rest, then the limit of its source.
 * `client`: whom the header names, or who connected where there is none; null: the header names nobody
 * (LOCAL, UNKNOWN, UNSPEC, UNIX), so there is nobody to ask about, and only limits of the listener and the
 * program are left. v4-mapped addresses have to be IPv4 by now.
 */
export function admitClient(
  { listener, allow, deny, perSource }: Admission,
  table: PerSourceTable,
  client: SocketAddress | null,
  nowMs: number,
): ClientVerdict {
  if (client === null) return admitted
  if (deny !== null && covers(deny, client)) return denied
  if (allow !== null && !covers(allow, client)) return denied
  if (perSource === null) return admitted
  const verdict = table.admit(listener, perSource, client, nowMs)
  switch (verdict.kind) {
    case 'counted':
      return { kind: 'admitted', entry: verdict.entry, note: verdict.exceeded }
    case 'untracked':
      return admittedUntracked
    case 'refused':
      return { kind: 'refused', reason: 'per-source', exceeded: verdict.exceeded }
  }
}
