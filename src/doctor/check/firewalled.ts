import type { Facts } from '../facts.ts'
import { advice, type Finding, type Remedy } from '../finding.ts'
import type { SubjectListener } from '../subject.ts'
import { decisive, type Met, metBy, packetsTo, ruleFor } from '../way-in.ts'

/** Rules of this host that drop or reject clients of a listener. */
export function firewalled(facts: Facts): readonly Finding[] {
  return facts.subject.listeners.flatMap((listener) =>
    metBy(facts, packetsTo(facts, listener), ['prerouting', 'input'])
      .filter(({ verdict }) => verdict === 'drop' || verdict === 'reject')
      .map((met) => findingOf(listener, met)),
  )
}

function findingOf({ name, port }: SubjectListener, met: Met): Finding {
  const place = met.trail.at(-1)?.chain ?? met.base
  const by = obstacleText(met)
  return {
    code: 'firewalled',
    // A firewall that lets some in is most likely meant so.
    severity: met.sure ? 'blocks' : 'note',
    what: met.sure
      ? `clients of listener ${name} are ${verb(met)} on this host: ${by}`
      : `some clients of listener ${name} are ${verb(met)} on this host, by who they are or how they come: ${by}`,
    proof: place.show,
    remedy: letPass(met, null, port),
  }
}

function verb({ verdict }: Met): string {
  return verdict === 'reject' ? 'rejected' : 'dropped'
}

/** `filter INPUT, policy drop`. */
export function obstacleText(met: Met): string {
  const place = met.trail.at(-1)?.chain ?? met.base
  return `${met.base.table}, ${place.name}: ${decisive(met)?.text ?? 'policy drop'}`
}

/** Deletes the rule that is about this port alone, or else lets the port pass before other rules. */
export function letPass(met: Met, host: string | null, port: number): Remedy {
  const rule = ruleFor(met, port)
  if (rule !== undefined && met.sure) return advice('delete the rule, here and where it is kept', rule.remove)
  return advice(
    'let this port pass before other rules, here and where they are kept',
    met.base.accept({ host, port }),
  )
}
