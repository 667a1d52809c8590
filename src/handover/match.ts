/** A listener as configured; `key` as in HeldSockets. */
export interface Wanted {
  readonly key: string
  readonly host: string
  readonly port: number
}

/** A listening socket as the kernel describes it. */
export interface Passed {
  readonly host: string
  readonly port: number
  /** An IPv6 socket that takes no IPv4 connections (BindIPv6Only=ipv6-only). */
  readonly v6Only: boolean
}

/**
 * Finds the listener of each socket by its address. `[::]` means every address, so an IPv6-only socket serves
 * it only together with one for 0.0.0.0. What is in neither is unmatched.
 */
export function match<P extends Passed>(
  wanted: readonly Wanted[],
  passed: readonly P[],
): { readonly matched: ReadonlyMap<string, readonly P[]>; readonly unmatched: readonly P[] } {
  const matched = new Map<string, readonly P[]>()
  const left = new Set(passed)
  for (const { key, host, port } of wanted) {
    const at = (there: string) =>
      passed.filter((each) => each.host === there && each.port === port && left.has(each))
    const same = at(host)
    const found = host === '::' && same.some(({ v6Only }) => v6Only) ? pair(same, at('0.0.0.0')) : same
    if (found.length === 0) continue
    matched.set(key, found)
    for (const each of found) left.delete(each)
  }
  return { matched, unmatched: [...left] }
}

function pair<P>(v6: readonly P[], v4: readonly P[]): readonly P[] {
  return v4.length === 0 ? [] : [...v6, ...v4]
}
