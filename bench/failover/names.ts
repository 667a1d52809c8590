/** What a scenario is called; scenarios.ts says what each does to its nodes. */
export const scenarioNames = [
  'killed',
  'black-hole',
  'unplugged',
  'frozen',
  'flapping',
  'tier-gone',
  'all-gone',
] as const
export type ScenarioName = (typeof scenarioNames)[number]

/** Those without a word more take turns, retry elsewhere at once, and are what targets are about. */
export const forwarderNames = [
  'spliceway',
  'spliceway, p2c',
  'spliceway, defaults',
  'spliceway, onDown',
  'HAProxy',
  'HAProxy, redispatch last',
  'HAProxy, fastinter',
  'HAProxy, shutdown-sessions',
] as const
export type ForwarderName = (typeof forwarderNames)[number]

/** Ports of the forwarder: three equal nodes, and two in front of a third. */
export const ports = { web: 8080, tiered: 8081 } as const
