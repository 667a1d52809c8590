import test, { type ExecutionContext } from 'ava'
import { cases } from '../../conformance/cases.ts'
import { Judge } from '../../conformance/judge.ts'
import type { Peer } from '../../conformance/peer.ts'
import { haproxy } from '../../conformance/peers/haproxy.ts'
import { spliceway } from '../../conformance/peers/spliceway.ts'
import { readRecord } from '../../conformance/record.ts'
import { Sockets } from '../../conformance/sockets.ts'

/** A run of all cases, on a machine that has other work. */
const limitMs = 400_000
/** What a race in a peer, or a stolen second, decides otherwise than it did is asked again. */
const tries = 3

test.serial('docs/conformance.md says of spliceway what it does', holds, spliceway)
// The peer's own answers change with its version only.
const asksPeers = process.env.SPLICEWAY_CONFORMANCE === 'peers' && haproxy.missing() === null
const haproxyTest = asksPeers ? test.serial : test.serial.skip
haproxyTest(
  'docs/conformance.md says of HAProxy what it does (only with SPLICEWAY_CONFORMANCE=peers, where it is installed)',
  holds,
  haproxy,
)

async function holds(t: ExecutionContext, peer: Peer): Promise<void> {
  t.timeout(limitMs)
  const cells = readRecord().find((column) => column.peer === peer.name)?.cells ?? {}
  // What differed between two runs cannot be compared with a third.
  let asked = cases.filter(({ id }) => cells[id]?.unsteady === null)
  const known = cases.filter(({ id }) => cells[id] !== undefined)
  t.is(known.length, cases.length, 'cases that the document does not know')
  const differing: string[] = []
  for (let i = 0; i < tries && asked.length > 0; i++) {
    const verdicts = await new Judge(peer, new Sockets()).judge(asked, () => t.pass())
    asked = asked.filter(({ id }) => verdicts.get(id)?.kind !== cells[id]?.kind)
    differing.splice(0)
    for (const { id } of asked) {
      differing.push(`${id}: ${cells[id]?.kind} in the document, now ${JSON.stringify(verdicts.get(id))}`)
    }
  }
  t.deepEqual(differing, [], 'npm run conformance -- --write')
}
