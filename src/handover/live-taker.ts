import type { Log } from '../core/log.ts'
import type { MovedSession } from '../core/moved.ts'
import { MSG_NOSIGNAL } from '../linux/constants.ts'
import { EAGAIN, EBADMSG, EINTR } from '../linux/errno.ts'
import { Fd } from '../linux/fd.ts'
import type { Libc } from '../linux/libc.ts'
import { faultOf } from './live-check.ts'
import { type Answer, type Batch, decodeBatch, encodeAnswer, mostBatchBytes } from './live-message.ts'

/** While connections come, each millisecond is one in which some of them stand still. */
const busyLookMs = 1
const idleLookMs = 10
/** How long after the latest batch another one is expected at any moment. */
const busyMs = 100

export interface LiveTakerOptions {
  readonly libc: Libc
  /** This process's end of the channel; it is closed at the end. */
  readonly channel: Fd
  /** Goes on with connections, which are the callee's. False: it cannot, and they are still the caller's. */
  readonly adopt: (sessions: readonly MovedSession[]) => boolean
  readonly log: Log
}

/** What came, at the end. */
export interface Taken {
  readonly connections: number
  readonly batches: number
  /** Descriptors that were not what they should be: their connections stayed with the giver. */
  readonly refused: number
}

/**
 * Takes live connections until the process that gives them closes the channel or dies. Never rejects. A
 * connection is touched only when the giver can know that it is ours: an answer that cannot be sent means
 * hands off.
 */
export async function takeSessions(options: LiveTakerOptions): Promise<Taken> {
  const { libc, channel } = options
  const block = libc.block(mostBatchBytes)
  const known = new Set<bigint>()
  let number = 0
  const taken = { connections: 0, batches: 0, refused: 0 }
  let latestMs = Number.NEGATIVE_INFINITY
  for (;;) {
    const got = libc.receiveDescriptors(channel, block, 0, block.size)
    if (got === EINTR) continue
    if (got === EAGAIN) {
      const busy = performance.now() - latestMs < busyMs
      await new Promise((resolve) => setTimeout(resolve, busy ? busyLookMs : idleLookMs))
      continue
    }
    if (got === EBADMSG) {
      await answer(options, { kind: 'full', number: ++number })
      continue
    }
    if (typeof got === 'number' || got.bytes === 0) break
    number++
    latestMs = performance.now()
    const batch = decodeBatch(block.bytes.subarray(0, got.bytes))
    if (batch === null || batch.number !== number) {
      closeAll(libc, got.descriptors)
      break
    }
    const { sessions, refused } = unpack(options, batch, got.descriptors, known)
    if (!(await answer(options, { kind: 'taken', number, refused }))) {
      for (const { descriptors } of sessions) closeAll(libc, descriptors.map(fdOf))
      continue
    }
    taken.batches++
    taken.connections += sessions.length
    taken.refused += refused.length
    if (!options.adopt(sessions))
      for (const { descriptors } of sessions) closeAll(libc, descriptors.map(fdOf))
  }
  libc.close(channel)
  return taken
}

/** The connections of a batch; what belongs to those that are refused is closed. */
function unpack(
  { libc, log }: LiveTakerOptions,
  { sessions: carried, held }: Batch,
  descriptors: readonly Fd[],
  known: Set<bigint>,
): { readonly sessions: readonly MovedSession[]; readonly refused: readonly number[] } {
  const sessions: MovedSession[] = []
  const refused: number[] = []
  let [fdAt, heldAt] = [0, 0]
  for (const [place, each] of carried.entries()) {
    const own = descriptors.slice(fdAt, fdAt + each.descriptors)
    const up = held.subarray(heldAt, heldAt + each.up)
    const down = held.subarray(heldAt + each.up, heldAt + each.up + each.down)
    fdAt += each.descriptors
    heldAt += each.up + each.down
    const fault = faultOf(libc, each, own, known)
    if (fault !== null) {
      log.warn({ id: each.facts.id }, `connection ${each.facts.id} is not taken: ${fault}`)
      refused.push(place)
      closeAll(libc, own)
      continue
    }
    sessions.push({
      facts: { ...each.facts, moves: each.facts.moves + 1 },
      relay: each.relay,
      descriptors: own.map(({ n }) => n),
      heldUp: Uint8Array.from(up), // the block is used again
      heldDown: Uint8Array.from(down),
    })
  }
  closeAll(libc, descriptors.slice(fdAt))
  return { sessions, refused }
}

/** False: the other side will not hear it. */
async function answer({ libc, channel }: LiveTakerOptions, what: Answer): Promise<boolean> {
  const bytes = encodeAnswer(what)
  const block = libc.block(bytes.length)
  block.bytes.set(bytes)
  for (;;) {
    const sent = libc.send(channel, block, 0, block.size, MSG_NOSIGNAL)
    if (sent >= 0) return true
    if (sent !== EAGAIN && sent !== EINTR) return false
    await new Promise((resolve) => setTimeout(resolve, busyLookMs))
  }
}

function closeAll(libc: Libc, descriptors: readonly Fd[]): void {
  for (const fd of descriptors) libc.close(fd)
}

function fdOf(n: number): Fd {
  return new Fd(n)
}
