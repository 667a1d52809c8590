import { accepts } from './check/accepts.ts'
import { address } from './check/address.ts'
import { backlog } from './check/backlog.ts'
import { cilium } from './check/cilium.ts'
import { clock } from './check/clock.ts'
import { conntrack } from './check/conntrack.ts'
import { descriptors } from './check/descriptors.ts'
import { diverted } from './check/diverted.ts'
import { firewalled } from './check/firewalled.ts'
import { gateway } from './check/gateway.ts'
import { kernel } from './check/kernel.ts'
import { localPorts } from './check/local-ports.ts'
import { names } from './check/names.ts'
import { permission } from './check/permission.ts'
import { pipes } from './check/pipes.ts'
import { plane } from './check/plane.ts'
import { portmap } from './check/portmap.ts'
import { runs } from './check/process.ts'
import { speech } from './check/speech.ts'
import { taken } from './check/taken.ts'
import { transparent } from './check/transparent.ts'
import type { Facts } from './facts.ts'
import { type Finding, severities } from './finding.ts'

/** Each looks at one thing, and is pure. */
const checks: readonly ((facts: Facts) => readonly Finding[])[] = [
  taken,
  diverted,
  firewalled,
  address,
  permission,
  runs,
  accepts,
  gateway,
  speech,
  transparent,
  names,
  cilium,
  portmap,
  localPorts,
  descriptors,
  backlog,
  pipes,
  plane,
  kernel,
  conntrack,
  clock,
]

/** What is wrong, the worst first; among equals, what comes before the rest comes first. */
export function diagnose(facts: Facts): readonly Finding[] {
  const found = checks.flatMap((check) => check(facts))
  return found.sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity))
}
