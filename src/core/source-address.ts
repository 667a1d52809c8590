/**
 * The local addresses from which an endpoint of `family` can be connected to. Almost always all or none of
 * them: a socket has one family, and a connection from the other one fails at once.
 */
export function sourcesFor(sources: readonly string[], family: 4 | 6): readonly string[] {
  if (sources.length === 0) return sources
  return sources.filter((source) => source.includes(':') === (family === 6))
}

/** The source address whose turn it is; null: the kernel chooses. `next` counts up with each call. */
export function sourceFor(sources: readonly string[], family: 4 | 6, next: () => number): string | null {
  if (sources.length === 0) return null
  const fitting = sourcesFor(sources, family)
  return fitting[next() % fitting.length] ?? null
}
