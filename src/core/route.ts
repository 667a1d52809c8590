/**
 * Where a listener's connections go by name. Within a route both must fit; an empty list leaves that open.
 */
export interface RouteRule<P> {
  /** `shop.example` or `*.shop.example`. */
  readonly sni: readonly string[]
  readonly alpn: readonly string[]
  readonly pool: P
}

/** Routes as they are looked up. Plain data, so that it survives a structured clone. */
export interface Routes<P> {
  readonly exact: ReadonlyMap<string, readonly Choice<P>[]>
  /** By what stands behind `*.`. */
  readonly wildcard: ReadonlyMap<string, readonly Choice<P>[]>
  /** Of routes without `sni`. */
  readonly any: readonly Choice<P>[]
}

interface Choice<P> {
  /** Empty: any, and none at all. */
  readonly alpn: readonly string[]
  readonly pool: P
}

/**
 * Compiled once for a snapshot, so that a look-up is two look-ups in a map, however many routes there are.
 */
export function compileRoutes<P>(rules: readonly RouteRule<P>[]): Routes<P> {
  const exact = new Map<string, Choice<P>[]>()
  const wildcard = new Map<string, Choice<P>[]>()
  const any: Choice<P>[] = []
  for (const { sni, alpn, pool } of rules) {
    const choice = { alpn, pool }
    if (sni.length === 0) any.push(choice)
    for (const pattern of sni) {
      const { names, name } = isWildcard(pattern)
        ? { names: wildcard, name: routeName(pattern.slice(2)) }
        : { names: exact, name: routeName(pattern) }
      const choices = names.get(name)
      if (choices === undefined) names.set(name, [choice])
      else choices.push(choice)
    }
  }
  return { exact, wildcard, any }
}

/**
 * Where a connection goes, or null: what no route takes. An exact name comes before a wildcard, a wildcard
 * before a route without names, and among equals the file's order decides; a name whose ALPN does not fit
 * falls through. A wildcard covers one label, so a name has one wildcard at most. `serverName` and `alpn` as
 * protocol/client-hello.ts returns them.
 */
export function route<P>(routes: Routes<P>, serverName: string | null, alpn: readonly string[]): P | null {
  const name = serverName !== null && isHostName(serverName) ? serverName : null
  if (name !== null) {
    const dot = name.indexOf('.')
    const choice =
      fitting(routes.exact.get(name), alpn) ??
      (dot > 0 ? fitting(routes.wildcard.get(name.slice(dot + 1)), alpn) : undefined)
    if (choice !== undefined) return choice.pool
  }
  return fitting(routes.any, alpn)?.pool ?? null
}

/** Names that are looked for, and routes without names. */
export function routeCount({ exact, wildcard, any }: Routes<unknown>): number {
  return [...exact.values(), ...wildcard.values(), any].reduce((sum, choices) => sum + choices.length, 0)
}

/** Every pool that routes lead to, once each. */
export function routedPools<P>({ exact, wildcard, any }: Routes<P>): readonly P[] {
  const choices = [...exact.values(), ...wildcard.values(), any].flat()
  return [...new Set(choices.map(({ pool }) => pool))]
}

/** A pattern of a route as names are compared. */
export function routeName(pattern: string): string {
  return pattern.toLowerCase().replace(/\.$/, '')
}

export function isWildcard(pattern: string): boolean {
  return pattern.startsWith('*.')
}

function fitting<P>(
  choices: readonly Choice<P>[] | undefined,
  offered: readonly string[],
): Choice<P> | undefined {
  return choices?.find(({ alpn }) => alpn.length === 0 || alpn.some((protocol) => offered.includes(protocol)))
}

/**
 * Whether a wildcard may cover it. What a client sends can be any bytes; a name that the gateway behind a
 * wildcard could not have is nobody's. The underscore is no letter of a host name, and is in use.
 */
function isHostName(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name)
}
