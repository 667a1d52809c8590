import { diverted } from './check/diverted.ts'
import { firewalled } from './check/firewalled.ts'
import { taken } from './check/taken.ts'
import type { Facts } from './facts.ts'
import { type Finding, severities } from './finding.ts'

/** Each looks at one thing, and is pure. */
const checks: readonly ((facts: Facts) => readonly Finding[])[] = [taken, diverted, firewalled]

/** What is wrong, the worst first. */
export function diagnose(facts: Facts): readonly Finding[] {
  const found = checks.flatMap((check) => check(facts))
  return found.sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity))
}
