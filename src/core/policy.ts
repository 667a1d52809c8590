/**
 * The words of the configuration by which workers decide: the lists that its schema and the snapshot's types
 * are made of.
 */

export const balanceKinds = ['p2c', 'round-robin', 'least-connections', 'source-hash'] as const
export type BalanceKind = (typeof balanceKinds)[number]

export const proxyProtocols = ['off', 'v1', 'v2'] as const
export type ProxyProtocol = (typeof proxyProtocols)[number]

/** Which connections have a line in the access log. */
export const accessLevels = ['all', 'errors', 'none'] as const
export type AccessLevel = (typeof accessLevels)[number]
