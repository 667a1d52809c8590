import { formatAddress, type SocketAddress } from '../core/address.ts'
import type { After } from '../core/after.ts'
import type { Log } from '../core/log.ts'
import type { EndpointId, PoolSnapshot } from '../core/snapshot.ts'
import {
  deviceOf,
  type FirstAnswer,
  type HostAddress,
  nobodysAddress,
  type WayBackFound,
  wayBack,
} from '../core/way-back.ts'

export interface TransparencyDeps {
  readonly log: Log
  readonly after: After
  /** A SYN from `source`, which need not be this host's; null: from one of this host's. Never rejects. */
  readonly ask: (endpoint: SocketAddress, source: SocketAddress | null) => Promise<FirstAnswer>
  readonly hostAddresses: () => readonly HostAddress[]
}

/** How often an endpoint whose answers do not come back is asked again. */
const againMs = 5_000
/** Endpoints of one pool that are asked: the rules for a hundred nodes are made by one hand. */
const mostAsked = 16

/** An endpoint of a transparent pool that is asked, or was. */
interface Asked {
  readonly pool: string
  readonly address: SocketAddress
  lost: boolean
  cancel: () => void
}

/**
 * Whether what endpoints of transparent pools answer to a client's address comes back to this host: found out
 * by a dial from an address that no client has, said once with the rules that are missing, and once when they
 * are there.
 */
export class Transparency {
  readonly #deps: TransparencyDeps
  readonly #asked = new Map<string, Asked>()
  #stopped = false

  constructor(deps: TransparencyDeps) {
    this.#deps = deps
  }

  /** These are in use from now on. */
  update(pools: readonly PoolSnapshot[]): void {
    const wanted = new Map<string, Omit<Asked, 'lost' | 'cancel'>>()
    for (const { name, endpoints, transparent } of pools) {
      if (!transparent) continue
      for (const { id, address } of endpoints.slice(0, mostAsked))
        if (address.family !== 'unix') wanted.set(keyOf(name, id), { pool: name, address })
    }
    for (const [key, { cancel }] of this.#asked) {
      if (wanted.has(key)) continue
      cancel()
      this.#asked.delete(key)
    }
    for (const [key, one] of wanted) {
      if (this.#asked.has(key)) continue
      const asked = { ...one, lost: false, cancel() {} }
      this.#asked.set(key, asked)
      void this.#ask(key, asked)
    }
  }

  stop(): void {
    this.#stopped = true
    for (const { cancel } of this.#asked.values()) cancel()
  }

  async #ask(key: string, asked: Asked): Promise<void> {
    const { log, after, ask } = this.#deps
    const { pool, address } = asked
    const found = await wayBackOf(address, ask, this.#deps.hostAddresses)
    if (this.#stopped || this.#asked.get(key) !== asked) return
    const fields = { pool, endpoint: formatAddress(address) }
    if (found.kind === 'there') {
      if (asked.lost) log.info(fields, `${nameOf(asked)}: its answers to clients' addresses come back now`)
      return
    }
    if (found.kind === 'missing' && !asked.lost) {
      asked.lost = true
      const rules = found.rules.map((words) => words.join(' '))
      log.error({ ...fields, rules }, `${nameOf(asked)}: ${missingText(rules)}`)
    }
    asked.cancel = after(againMs, () => void this.#ask(key, asked))
  }
}

/** Two dials at most: from an address that nobody has, and if that has no answer, from this host. */
export async function wayBackOf(
  endpoint: SocketAddress,
  ask: TransparencyDeps['ask'],
  hostAddresses: TransparencyDeps['hostAddresses'],
): Promise<WayBackFound> {
  const asClient = await ask(endpoint, nobodysAddress(endpoint.family))
  if (asClient.kind === 'answered') return { kind: 'there' }
  if (asClient.kind === 'failed' && asClient.code === 'EPERM') return { kind: 'forbidden' }
  const plain = await ask(endpoint, null)
  if (plain.kind !== 'answered') return { kind: 'unknown' }
  const device = deviceOf(endpoint, plain.local, hostAddresses())
  return { kind: 'missing', rules: wayBack(endpoint, device === undefined ? 'DEVICE' : device) }
}

function missingText(rules: readonly string[]): string {
  return (
    'it answers this host, and not from where clients are: what it sends to their addresses does not come back here ' +
    `(asked from ${tested}). Missing on this host: ${rules.join('; ')}. An endpoint on another host needs its way to the ` +
    'clients through this one besides: docs/transparent.md'
  )
}

const tested = '192.0.2.1 or 2001:db8::1'

function nameOf({ pool, address }: Asked): string {
  return `pool ${pool}: endpoint ${formatAddress(address)}`
}

function keyOf(pool: string, id: EndpointId): string {
  return `${pool} ${id}`
}
