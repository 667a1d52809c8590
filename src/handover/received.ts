import { formatAddress, joinHostPort, socketAddress } from '../core/address.ts'
import type { InheritedSockets } from '../core/inherited.ts'
import type { Log } from '../core/log.ts'
import type { Fd } from '../linux/fd.ts'
import type { Libc } from '../linux/libc.ts'
import { listeningAddress, listensAtName } from './listening.ts'
import type { Passed } from './match.ts'
import type { DrainedEndpoint, ListenerOffer } from './message.ts'
import type { Talk } from './talk.ts'

/** The other process answers from its main loop, which is never busy for long. */
const answerMs = 5_000

/** What came, checked. */
export interface Offered {
  readonly sockets: readonly InheritedSockets[]
  readonly ports: ReadonlySet<number>
  readonly nameSocket: Fd | null
  /** Admin listeners that the other process has open, of those that were named; null: it does not say. */
  readonly doors: readonly string[] | null
  /** Endpoints that were drained by hand. */
  readonly drained: readonly DrainedEndpoint[]
}

export type Heard =
  | (Offered & {
      readonly kind: 'all'
      readonly pid: number
      readonly program: string
      /** Whether it knows `beat`. */
      readonly beats: boolean
    })
  /** It hung up before the end; what came before that is all there is. */
  | (Offered & { readonly kind: 'cut' })
  | { readonly kind: 'failed'; readonly reason: string }

interface Collected {
  readonly offer: ListenerOffer
  readonly descriptors: Fd[]
}

/** Hears the answer to `hello`. What came with a failure is closed. */
export async function hearSockets(talk: Talk, name: string, libc: Libc | null, log: Log): Promise<Heard> {
  const collected = new Map<string, Collected>()
  let nameSocket: Fd | null = null
  let doors: readonly string[] | null = null
  const drained: DrainedEndpoint[] = []
  let limitMs = answerMs
  const offered = (): Offered => ({
    sockets: [...collected.values()].flatMap((each) => checked(each, libc, log) ?? []),
    ports: new Set([...collected.values()].map(({ offer }) => offer.port)),
    nameSocket: checkedName(nameSocket, name, libc, log),
    doors,
    drained,
  })
  const failed = (reason: string): Heard => {
    for (const { descriptors } of collected.values()) for (const fd of descriptors) libc?.close(fd)
    if (nameSocket !== null) libc?.close(nameSocket)
    return { kind: 'failed', reason }
  }
  for (;;) {
    const heard = await talk.hear(limitMs)
    if (heard.kind === 'gone') return { kind: 'cut', ...offered() }
    if (heard.kind === 'silent') return failed(`no answer within ${limitMs} ms`)
    if (heard.kind === 'unreadable') return failed(heard.reason)
    const { message } = heard
    if (message.kind === 'refused') return failed(message.reason)
    if (message.kind === 'wait') {
      log.info(
        { name: `@${name}` },
        `@${name} has just been taken over itself: waiting until that is settled`,
      )
      limitMs = answerMs + message.ms
      continue
    }
    if (message.kind !== 'sockets') return failed(`it said ${message.kind}`)
    limitMs = answerMs
    doors = message.doors
    drained.push(...message.drained)
    const descriptors = [...heard.descriptors]
    if (message.name) nameSocket = descriptors.pop() ?? null
    for (const offer of message.listeners) {
      const known = collected.get(offer.key) ?? { offer, descriptors: [] }
      collected.set(offer.key, known)
      known.descriptors.push(...descriptors.splice(0, offer.descriptors))
    }
    if (!message.more) {
      const { pid, program, revision } = message
      return { kind: 'all', pid, program, beats: revision > 0, ...offered() }
    }
  }
}

/**
 * null: none came, or they are not what they should be. A listener is bound anew then, beside the other
 * process.
 */
function checked({ offer, descriptors }: Collected, libc: Libc | null, log: Log): InheritedSockets | null {
  const { key, host, port, shared } = offer
  if (libc === null || descriptors.length === 0) return null
  const close = (): void => {
    for (const fd of descriptors) libc.close(fd)
  }
  for (const fd of descriptors) {
    const found = listeningAddress(libc, fd)
    if (found !== null && fits(offer, found)) continue
    const what =
      found === null ? 'no listening TCP socket' : `bound to ${joinHostPort(found.host, found.port)}`
    log.warn({ key }, `a descriptor for ${joinHostPort(host, port)} is not used: it is ${what}`)
    close()
    return null
  }
  return { key, address: { host, port }, descriptors: descriptors.map(({ n }) => n), shared, close }
}

/** One socket of a pair that systemd has bound for `[::]` is for IPv4. */
function fits({ host, port }: ListenerOffer, found: Passed): boolean {
  const [offered, there] = [socketAddress(host, port), socketAddress(found.host, found.port)]
  if (offered === undefined || there === undefined) return false
  return (
    formatAddress(offered) === formatAddress(there) ||
    (host === '::' && found.host === '0.0.0.0' && found.port === port)
  )
}

function checkedName(fd: Fd | null, name: string, libc: Libc | null, log: Log): Fd | null {
  if (fd === null || libc === null || listensAtName(libc, fd, name)) return fd
  libc.close(fd)
  log.warn(
    { name: `@${name}` },
    `the descriptor for @${name} is not used: it is not a socket that listens there`,
  )
  return null
}
