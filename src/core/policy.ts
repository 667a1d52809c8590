/**
 * The words of the configuration by which workers decide: the lists that its schema and the snapshot's types
 * are made of.
 */

export const balanceKinds = ['p2c', 'round-robin', 'least-connections', 'source-hash'] as const
export type BalanceKind = (typeof balanceKinds)[number]

export const proxyProtocols = ['off', 'v1', 'v2'] as const
export type ProxyProtocol = (typeof proxyProtocols)[number]

/** How a connection is refused: by RST, or by FIN, which a balancer may take for an answer. */
export const refuseWays = ['reset', 'close'] as const
export type RefuseBy = (typeof refuseWays)[number]

/** What becomes of peers that need not send a PROXY header: refused, or served as they are. */
export const otherPeers = ['refuse', 'direct'] as const

/** Which connections have a line in the access log. */
export const accessLevels = ['all', 'errors', 'none'] as const
export type AccessLevel = (typeof accessLevels)[number]
