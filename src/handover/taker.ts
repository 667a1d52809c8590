import type { Log } from '../core/log.ts'
import type { Credentials, Libc } from '../linux/libc.ts'
import { countSockets, type Inheritance, nothingInherited } from './inheritance.ts'
import { revision, sessionsVersion } from './message.ts'
import { describePeer, isTrusted } from './peer.ts'
import { type Fate, prove } from './probation.ts'
import { type Heard, hearSockets, type Offered } from './received.ts'
import { call, type Talk } from './talk.ts'

/** It closes its admin listeners before it answers to `accepting`. */
const releaseMs = 5_000
/** The process that is called may die just then, and so may the next one; a third time is no accident. */
const mostCalls = 3

export interface TakeOptions {
  /** `spliceway` of `@spliceway`. */
  readonly name: string
  /** null: descriptors cannot be received, the port is joined. */
  readonly libc: Libc | null
  readonly uid: number
  /** Version of the program. */
  readonly program: string
  /** Names of the admin listeners that this process will open. */
  readonly doors: readonly string[]
  /**
   * Whether it goes on with the live connections of the process before; it does not where this is left out.
   */
  readonly takesSessions?: boolean
  readonly log: Log
  /** For tests: how long this process has to prove itself. */
  readonly probationMs?: number
}

/**
 * Asks whoever holds the name for its listening sockets. Whatever goes wrong is logged, and then there is
 * nothing to inherit. Never rejects; as a rule it takes some milliseconds, and some seconds when the other
 * process hangs, or has itself just taken over.
 */
export async function take(options: TakeOptions): Promise<Inheritance> {
  const { name, libc, uid, program, doors, log } = options
  const sessions = libc !== null && options.takesSessions === true ? sessionsVersion : 0
  const alone = (why: string, bereaved: boolean): Inheritance => {
    log.warn({ name: `@${name}` }, `nothing is taken over: ${why}`)
    return { ...nothingInherited, bereaved }
  }
  const beganMs = performance.now()
  for (let calls = 1; ; calls++) {
    const bereaved = calls > 1
    const called = await call(name, libc)
    if (called.kind === 'nobody') return { ...nothingInherited, bereaved }
    if (called.kind === 'failed') return alone(`@${name} cannot be called: ${called.reason}`, bereaved)
    const { talk } = called
    if (talk.peer !== null && !isTrusted(talk.peer, uid)) {
      talk.close()
      return alone(
        `@${name} is held by ${describePeer(talk.peer)}, neither our uid ${uid} nor root's`,
        bereaved,
      )
    }
    talk.send({
      kind: 'hello',
      pid: process.pid,
      program,
      descriptors: libc !== null,
      doors,
      revision,
      sessions,
    })
    const heard = await hearSockets(talk, name, libc, log)
    if (heard.kind === 'all') return taken(options, talk, heard, beganMs)
    talk.close()
    if (heard.kind === 'failed') {
      const who = talk.peer === null ? '' : ` (${describePeer(talk.peer)})`
      return alone(`@${name}${who}: ${heard.reason}`, bereaved)
    }
    if (heard.sockets.length > 0) {
      log.warn(
        { name: `@${name}`, listeners: heard.sockets.length },
        `the process that held @${name} died during the hand-over: this one serves`,
      )
      const { sockets, ports, nameSocket } = heard
      return { ...nothingInherited, sockets, beside: ports, name: nameSocket, bereaved: true }
    }
    // The one before it may serve again, and would be in the way of the name.
    if (heard.nameSocket !== null) libc?.close(heard.nameSocket)
    if (calls === mostCalls) return alone(`@${name} hung up ${calls} times`, true)
  }
}

/** What a process has inherited when it got an answer. */
function taken(
  options: TakeOptions,
  talk: Talk,
  heard: Extract<Heard, { kind: 'all' }>,
  beganMs: number,
): Inheritance {
  const { log, doors } = options
  const { sockets, ports, nameSocket, beats } = heard
  const giver = describeGiver(heard.pid, talk.peer)
  const total = sockets.reduce((sum, { descriptors }) => sum + descriptors.length, 0)
  const ms = () => Math.round(performance.now() - beganMs)
  const fields = { fromPid: heard.pid, fromUid: talk.peer?.uid ?? null, fromVersion: heard.program }
  log.info(
    { ...fields, sockets: total, listeners: sockets.length, ms: ms() },
    `taking over from ${giver}: ${received(heard, total)} after ${ms()} ms`,
  )
  if (total === 0 && ports.size > 0) log.warn({}, joinedNote)
  let withdrawn = false
  return {
    sockets,
    beside: ports,
    name: nameSocket,
    doors: heard.doors ?? doors,
    drained: heard.drained,
    bereaved: false,
    async accepting(keys) {
      talk.send({ kind: 'accepting', keys })
      const answer = await talk.hear(releaseMs)
      if (withdrawn) return null
      if (answer.kind === 'message' && answer.message.kind === 'refused') return answer.message.reason
      if (answer.kind === 'message' && answer.message.kind === 'released') {
        const itself = total > 0 ? 'it accepts no more' : 'it accepts beside this process for some seconds'
        log.info(
          { ...fields, sockets: total, ms: ms() },
          `took over from ${giver}: ${countSockets(total, sockets.length)} in ${ms()} ms; ${itself}`,
        )
      } else {
        log.warn(
          { ...fields, answer: answer.kind },
          `${giver} did not say that it has let go: it may be gone`,
        )
      }
      return null
    },
    async fate(): Promise<Fate> {
      const { probationMs } = options
      const fate = await prove({
        talk,
        beats,
        withdrawn: () => withdrawn,
        ...(probationMs && { probationMs }),
      })
      if (!withdrawn) talk.close()
      if (fate.kind === 'settled') log.info({ ...fields, ms: ms() }, `settled: ${giver} will not come back`)
      return fate
    },
    abandon() {
      if (withdrawn) return
      withdrawn = true
      talk.close()
    },
  }
}

function received({ sockets, ports }: Offered, total: number): string {
  if (total > 0) return countSockets(total, sockets.length)
  return ports.size > 0 ? 'no socket can be passed, its ports are joined' : 'it has stopped listening already'
}

const joinedNote =
  'the ports are shared by SO_REUSEPORT until the other process stops accepting: a handshake that is under way then is ' +
  'reset, unless net.ipv4.tcp_migrate_req is 1; koffi on both sides hands the queues over'

function describeGiver(pid: number, peer: Credentials | null): string {
  return peer === null ? `pid ${pid}` : `pid ${pid}, uid ${peer.uid}`
}
