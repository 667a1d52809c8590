/** What SRV records say of a target, RFC 2782. */
export interface SrvRank {
  /** 0 to 65535, the lowest first. */
  readonly priority: number
  /** 0 to 65535. */
  readonly weight: number
}

/** The same in a pool's terms. */
export interface Share {
  /** From 0 without gaps. */
  readonly priority: number
  /** 1 to 1000. */
  readonly weight: number
}

/** As in the configuration. */
const maxWeight = 1000

/**
 * The shares of SRV records, in their order. Where weights differ, 0 is "a very small chance" in RFC 2782,
 * and 1 is the least that a pool has: so the heaviest record of a priority becomes 1000 wherever there is a 0
 * beside it, or where it is more than that. Otherwise weights stay as people wrote them.
 */
export function sharesOf(ranks: readonly SrvRank[]): readonly Share[] {
  const priorities = [...new Set(ranks.map(({ priority }) => priority))].sort((a, b) => a - b)
  return ranks.map(({ priority, weight }) => {
    const weights = ranks.filter((other) => other.priority === priority).map((other) => other.weight)
    const heaviest = Math.max(...weights)
    const scaled = heaviest > maxWeight || (heaviest > 0 && weights.includes(0))
    const factor = scaled ? maxWeight / heaviest : 1
    return { priority: priorities.indexOf(priority), weight: Math.max(1, Math.round(weight * factor)) }
  })
}
