import type { Words } from '../finding.ts'

/** Rules of netfilter in one form, whoever wrote them: nft, iptables on top of nf_tables, iptables-legacy. */
export interface Chain {
  /** `ip nat` of nft, `iptables-nft nat`. */
  readonly table: string
  readonly family: 'ip' | 'ip6' | 'inet'
  readonly name: string
  /** null: only jumped to. */
  readonly hook: Hook | null
  readonly rules: readonly Rule[]
  /**
   * The command that lets new TCP connections pass here before any rule is asked. `host` null: to any
   * address.
   */
  readonly accept: (to: { readonly host: string | null; readonly port: number }) => Words
  /** Shows the chain. */
  readonly show: Words
}

export interface Hook {
  readonly at: 'prerouting' | 'input' | 'output'
  readonly type: 'nat' | 'filter'
  readonly priority: number
  readonly drops: boolean
}

export interface Rule {
  /** All must hold. */
  readonly tests: readonly Test[]
  readonly verdict: Verdict
  /** As its tool prints it. */
  readonly text: string
  /** Deletes it. */
  readonly remove: Words
}

/** Both ends included. */
export type Range = readonly [number, number]

export type Test =
  | { readonly kind: 'protocol'; readonly names: readonly string[]; readonly not: boolean }
  | { readonly kind: 'port'; readonly ranges: readonly Range[]; readonly not: boolean }
  /** Of `10.0.0.0/8`, `10.0.0.5`. */
  | { readonly kind: 'to'; readonly networks: readonly string[]; readonly not: boolean }
  | { readonly kind: 'from'; readonly networks: readonly string[]; readonly not: boolean }
  /** Whether the destination is an address of this host. */
  | { readonly kind: 'to-local'; readonly not: boolean }
  | { readonly kind: 'in' | 'out'; readonly interfaces: readonly string[]; readonly not: boolean }
  | { readonly kind: 'state'; readonly states: readonly string[]; readonly not: boolean }
  | { readonly kind: 'mark'; readonly value: number; readonly mask: number; readonly not: boolean }
  | { readonly kind: 'family'; readonly family: 4 | 6; readonly not: boolean }
  /** Holds for no packet that anybody here sends: broadcast, multicast. */
  | { readonly kind: 'never'; readonly not: boolean }
  /** Nobody here knows. */
  | { readonly kind: 'other' }

export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'reject' | 'return' }
  /** The rule is gone through and the next one is asked: it counts, logs, marks. */
  | { readonly kind: 'next' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** The same host, at `port`; null: a port that is not known. */
  | { readonly kind: 'redirect' | 'tproxy'; readonly port: number | null }
  /** `to` is `10.42.0.8:80`, or what is known of it. */
  | { readonly kind: 'dnat'; readonly to: string }
