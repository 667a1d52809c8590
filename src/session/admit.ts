import type { SocketAddress } from '../core/address.ts'
import {
  type Admission,
  admitClient,
  admitPeer,
  type ClientVerdict,
  type PeerVerdict,
} from '../core/admission.ts'
import type { ListenerSnapshot } from '../core/snapshot.ts'
import type { Wire } from '../plane/plane.ts'
import type { SessionContext } from './context.ts'

type Shared = Pick<SessionContext<Wire>, 'sources' | 'sharedMs' | 'refusals'>

/** By who connected; what there is to say of a verdict is said. */
export function judgePeer(
  context: Shared,
  listener: ListenerSnapshot,
  admission: Admission,
  peer: SocketAddress,
): PeerVerdict {
  const verdict = admitPeer(admission, context.sources, peer, context.sharedMs())
  if (verdict.kind !== 'header') note(context, listener, verdict, peer)
  return verdict
}

/** By whom the PROXY header names; null: nobody. */
export function judgeClient(
  context: Shared,
  listener: ListenerSnapshot,
  admission: Admission,
  client: SocketAddress | null,
): ClientVerdict {
  const verdict = admitClient(admission, context.sources, client, context.sharedMs())
  if (client !== null) note(context, listener, verdict, client)
  return verdict
}

function note(
  { refusals }: Shared,
  listener: ListenerSnapshot,
  verdict: ClientVerdict,
  client: SocketAddress,
): void {
  if (verdict.kind === 'refused') {
    refusals.refused(listener, verdict.reason, () => client, detailOf(verdict.exceeded))
  } else if (verdict.note === 'untracked') refusals.untracked(listener)
  else if (verdict.note !== null) refusals.overSource(listener, () => client, detailOf(verdict.note))
}

function detailOf(exceeded: 'connections' | 'rate' | null): string {
  return exceeded === null ? '' : `perSource.${exceeded} of its source is reached`
}
