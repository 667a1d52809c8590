import { isIP } from 'node:net'
import { isWildcard, type RouteRule, routeName } from './route.ts'

/** A name of a route that can never be what sends a connection there. */
export interface Unreachable {
  /** Places in the list. */
  readonly route: number
  /** Place in its `sni`; null: the route has none, and can never be reached at all. */
  readonly name: number | null
  readonly why: /** Whatever would fit has gone to this earlier route, or to it and some before it. The same route: it is there twice. */
    | { readonly kind: 'taken'; readonly by: number }
    /** No client sends an address as its server name. */
    | { readonly kind: 'address' }
}

/**
 * Of one name, or of routes without names: which protocols earlier routes take, and what takes all of them.
 */
interface Taken {
  readonly alpn: Set<string>
  all: number | null
  /** The last one that took something. */
  by: number
}

/** In the order of the file. Nothing here is an error: a connection always has one way to go. */
export function unreachable(rules: readonly RouteRule<unknown>[]): Unreachable[] {
  const taken = new Map<string, Taken>()
  return rules.flatMap((rule, route) => {
    const keys = rule.sni.length === 0 ? [null] : rule.sni
    return keys.flatMap((pattern, i): Unreachable[] => {
      const name = pattern === null ? null : i
      if (pattern !== null && isIP(pattern) !== 0) return [{ route, name, why: { kind: 'address' } }]
      const by = take(taken, keyOf(pattern), rule.alpn, route)
      return by === null ? [] : [{ route, name, why: { kind: 'taken', by } }]
    })
  })
}

/** The empty key stands for routes without names: no pattern is empty. */
function keyOf(pattern: string | null): string {
  if (pattern === null) return ''
  return isWildcard(pattern) ? `*.${routeName(pattern.slice(2))}` : routeName(pattern)
}

/** Who has taken all of it before; null: it takes something itself. */
function take(taken: Map<string, Taken>, key: string, alpn: readonly string[], route: number): number | null {
  const before = taken.get(key)
  if (before === undefined) {
    taken.set(key, { alpn: new Set(alpn), all: alpn.length === 0 ? route : null, by: route })
    return null
  }
  if (before.all !== null) return before.all
  const isTaken = alpn.length > 0 && alpn.every((protocol) => before.alpn.has(protocol))
  if (isTaken) return before.by
  for (const protocol of alpn) before.alpn.add(protocol)
  if (alpn.length === 0) before.all = route
  before.by = route
  return null
}
