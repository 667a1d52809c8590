import type { InheritedSockets } from '../core/inherited.ts'
import type { Fd } from '../linux/fd.ts'
import type { Credentials, Libc } from '../linux/libc.ts'
import { countSockets, type HandoverLog, type Inheritance, nothingInherited } from './inheritance.ts'
import type { ListenerOffer } from './message.ts'
import { describePeer, isTrusted } from './peer.ts'
import { call, type Talk } from './talk.ts'

/** The other process answers from its main loop, which is never busy for long. */
const answerMs = 5_000
/** It closes its admin doors before it answers to `accepting`. */
const releaseMs = 5_000
/** What is wrong with a new version or its surroundings shows in its first seconds; until then the other one can come back. */
const probationMs = 5_000

export interface TakeOptions {
  /** `spliceway` of `@spliceway`. */
  readonly name: string
  /** null: descriptors cannot be received, the port is joined. */
  readonly libc: Libc | null
  readonly uid: number
  /** Version of the program. */
  readonly program: string
  /** Names of the admin doors that this process will open. */
  readonly doors: readonly string[]
  readonly log: HandoverLog
}

/**
 * Asks whoever holds the name for its listening sockets. Whatever goes wrong is logged, and then there is nothing to
 * inherit. Never rejects; takes at most about five seconds, and as a rule some milliseconds.
 */
export async function take(options: TakeOptions): Promise<Inheritance> {
  const { name, libc, uid, program, doors, log } = options
  const alone = (why: string): Inheritance => {
    log.warn({ name: `@${name}` }, `nothing is taken over: ${why}`)
    return nothingInherited
  }
  const beganMs = performance.now()
  const called = await call(name, libc)
  if (called.kind === 'nobody') return nothingInherited
  if (called.kind === 'failed') return alone(`@${name} cannot be called: ${called.reason}`)
  const { talk } = called
  if (talk.peer !== null && !isTrusted(talk.peer, uid)) {
    talk.close()
    return alone(`@${name} is held by ${describePeer(talk.peer)}, neither our uid ${uid} nor root's`)
  }
  talk.send({ kind: 'hello', pid: process.pid, program, descriptors: libc !== null, doors })
  const heard = await hearSockets(talk, libc)
  if (heard.kind === 'failed') {
    talk.close()
    return alone(`@${name}${talk.peer === null ? '' : ` (${describePeer(talk.peer)})`}: ${heard.reason}`)
  }
  const { sockets, ports } = heard
  if (heard.kind === 'cut') {
    talk.close()
    log.warn(
      { name: `@${name}`, listeners: sockets.length },
      `the process that held @${name} died during the hand-over: this one serves`,
    )
    return { ...nothingInherited, sockets, beside: ports, bereaved: true }
  }
  const giver = describeGiver(heard.pid, talk.peer)
  const total = sockets.reduce((sum, { descriptors }) => sum + descriptors.length, 0)
  const received =
    total > 0
      ? countSockets(total, sockets.length)
      : ports.size > 0
        ? 'no socket can be passed, its ports are joined'
        : 'it has stopped listening already'
  const ms = () => Math.round(performance.now() - beganMs)
  const fields = { fromPid: heard.pid, fromUid: talk.peer?.uid ?? null, fromVersion: heard.program }
  log.info(
    { ...fields, sockets: total, listeners: sockets.length, ms: ms() },
    `taking over from ${giver}: ${received} after ${ms()} ms`,
  )
  if (total === 0 && ports.size > 0) log.warn({}, joinedNote)
  let probation: NodeJS.Timeout | null = null
  const hangUp = () => {
    if (probation !== null) clearTimeout(probation)
    talk.close()
  }
  const settle = () => {
    if (probation !== null) talk.send({ kind: 'settled' })
    hangUp()
  }
  return {
    sockets,
    beside: ports,
    bereaved: false,
    async accepting() {
      talk.send({ kind: 'accepting' })
      const answer = await talk.hear(releaseMs)
      probation = setTimeout(settle, probationMs)
      probation.unref()
      if (answer.kind === 'message' && answer.message.kind === 'released') {
        log.info(
          { ...fields, sockets: total, ms: ms() },
          `took over from ${giver}: ${countSockets(total, sockets.length)} in ${ms()} ms; it accepts no more`,
        )
      } else {
        log.warn(
          { ...fields, answer: answer.kind },
          `${giver} did not say that it has let go: it may be gone`,
        )
      }
    },
    settle,
    abandon: hangUp,
  }
}

const joinedNote =
  'the ports are shared by SO_REUSEPORT until the other process stops accepting: connections that wait in its queue then are ' +
  'reset, unless net.ipv4.tcp_migrate_req is 1; koffi on both sides hands the queues over'

function describeGiver(pid: number, peer: Credentials | null): string {
  return peer === null ? `pid ${pid}` : `pid ${pid}, uid ${peer.uid}`
}

type Offered = { readonly sockets: readonly InheritedSockets[]; readonly ports: ReadonlySet<number> }

/** `cut`: it hung up between two of its messages; what came before that is all there is. */
async function hearSockets(
  talk: Talk,
  libc: Libc | null,
): Promise<
  | (Offered & { readonly kind: 'all'; readonly pid: number; readonly program: string })
  | (Offered & { readonly kind: 'cut' })
  | { readonly kind: 'failed'; readonly reason: string }
> {
  const collected = new Map<string, { offer: ListenerOffer; descriptors: Fd[] }>()
  const offered = (): Offered => ({
    sockets: [...collected.values()]
      .filter(({ descriptors }) => descriptors.length > 0)
      .map(({ offer, descriptors }) => inherited(offer, descriptors, libc)),
    ports: new Set([...collected.values()].map(({ offer }) => offer.port)),
  })
  const failed = (reason: string) => {
    for (const { close } of offered().sockets) close()
    return { kind: 'failed', reason } as const
  }
  for (;;) {
    const heard = await talk.hear(answerMs)
    if (heard.kind === 'gone') return { kind: 'cut', ...offered() }
    if (heard.kind === 'silent') return failed(`no answer within ${answerMs} ms`)
    if (heard.kind === 'unreadable') return failed(heard.reason)
    const { message } = heard
    if (message.kind === 'refused') return failed(message.reason)
    if (message.kind !== 'sockets') return failed(`it said ${message.kind}`)
    let at = 0
    for (const offer of message.listeners) {
      const known = collected.get(offer.key) ?? { offer, descriptors: [] }
      collected.set(offer.key, known)
      known.descriptors.push(...heard.descriptors.slice(at, at + offer.descriptors))
      at += offer.descriptors
    }
    if (!message.more) return { kind: 'all', pid: message.pid, program: message.program, ...offered() }
  }
}

function inherited(
  { key, host, port }: ListenerOffer,
  fds: readonly Fd[],
  libc: Libc | null,
): InheritedSockets {
  return {
    key,
    address: { host, port },
    descriptors: fds.map(({ n }) => n),
    close() {
      for (const fd of fds) libc?.close(fd)
    },
  }
}
