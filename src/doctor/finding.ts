/**
 * blocks: a port or a pool does not work. hurts: it works, but not for all, not well or not for long. note:
 * good to know.
 */
export const severities = ['blocks', 'hurts', 'note'] as const
export type Severity = (typeof severities)[number]

/** Scripts depend on them; docs/doctor.md explains each. */
export const codes = [
  'accept-queue-full',
  'accepts-nothing',
  'address-missing',
  'admin-port-taken',
  'cilium',
  'cilium-nodeport',
  'clock-differs',
  'clock-unsynchronized',
  'clock-wrong',
  'conntrack-full',
  'descriptors-few',
  'docker-published',
  'firewalled',
  'gateway-diverted',
  'gateway-elsewhere',
  'gateway-firewalled',
  'gateway-hangs-up',
  'gateway-refuses',
  'gateway-silent',
  'gateway-speaks-first',
  'gateway-stopped',
  'gateway-unreachable',
  'hostport',
  'ipv6-off',
  'kernel-old',
  'listen-overflows',
  'local-ports-few',
  'loopback-down',
  'name-servers-silent',
  'name-unknown',
  'not-running',
  'pipes-few',
  'plane-missing',
  'port-forbidden',
  'port-in-local-range',
  'port-shadowed',
  'port-shared',
  'port-taken',
  'portmap',
  'process-silent',
  'proxy-header-refused',
  'proxy-header-wanted',
  'redirected',
  'service-port',
  'servicelb',
  'somaxconn-small',
  'tcp-migrate-req-off',
  'transparent-forbidden',
  'transparent-unrouted',
] as const
export type Code = (typeof codes)[number]

/** Words of a command, in a form that needs no shell. */
export type Words = readonly string[]

/** What then works. Commands are to be run in their order; most need root. */
export interface Remedy {
  /** For a person, a sentence or two. */
  readonly advice: string
  /** Empty where no command can do it. */
  readonly commands: readonly Words[]
  /** What to write into the configuration: `pools.web.sendProxyProtocol`, and its value in YAML. */
  readonly settings: readonly Setting[]
}

export interface Setting {
  readonly key: string
  readonly value: string
}

/** Something that is wrong on this node, or worth knowing. */
export interface Finding {
  readonly code: Code
  readonly severity: Severity
  readonly what: string
  /** A command that shows it, to anyone who may run it. */
  readonly proof: Words
  readonly remedy: Remedy
}

export function advice(text: string, ...commands: readonly Words[]): Remedy {
  return { advice: text, commands, settings: [] }
}

/**
 * As a POSIX shell reads it back: words of harmless characters stay bare, all others go into single quotes.
 */
export function shellQuoted(words: Words): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ')
}

/** `sysctl -w NAME=VALUE`. */
export function setSysctl(name: string, value: string | number): Words {
  return ['sysctl', '-w', `${name}=${value}`]
}
