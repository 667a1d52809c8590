import type { MovedSession, RelayFacts, SessionFacts } from '../core/moved.ts'

/**
 * What goes over the channel for live connections, a socket of whole messages (SOCK_SEQPACKET). Of the
 * process that gives: batches, each with the descriptors of its connections beside it. Of the one that
 * takes: an answer to each. A connection belongs to the taker from the moment at which its answer was sent,
 * and to the giver before.
 */
export interface Batch {
  readonly number: number
  readonly sessions: readonly CarriedSession[]
  /** What the sessions hold in memory, one after the other, upward before downward. */
  readonly held: Uint8Array
}

/** A MovedSession without what travels beside it. */
export interface CarriedSession {
  readonly facts: SessionFacts
  readonly relay: RelayFacts
  /** How many descriptors of the message are its own. */
  readonly descriptors: number
  /** How many bytes of `held` are its own. */
  readonly up: number
  readonly down: number
}

export type Answer =
  /**
   * They are the taker's, apart from those at these places: their descriptors were not what they should be.
   */
  | { readonly kind: 'taken'; readonly number: number; readonly refused: readonly number[] }
  /** The taker had no room for the descriptors, and has none of them. */
  | { readonly kind: 'full'; readonly number: number }

/** SCM_MAX_FD is 253; a connection has two, or four, or six. */
export const mostBatchDescriptors = 250
/** What one message may be long; the kernel takes 212,960 bytes by default (net.core.wmem_default). */
export const mostBatchBytes = 128 * 1024
/** An answer is a number and places in a batch. */
export const mostAnswerBytes = 4096
const lengthBytes = 4

/** Sessions and their held bytes in one message, with the descriptors that go beside it. */
export function encodeBatch(
  number: number,
  sessions: readonly MovedSession[],
): { readonly bytes: Buffer; readonly descriptors: readonly number[] } {
  const carried = sessions.map(
    ({ facts, relay, descriptors, heldUp, heldDown }): CarriedSession => ({
      facts,
      relay,
      descriptors: descriptors.length,
      up: heldUp.length,
      down: heldDown.length,
    }),
  )
  const text = Buffer.from(JSON.stringify({ number, sessions: carried }))
  const length = Buffer.alloc(lengthBytes)
  length.writeUInt32LE(text.length)
  const held = sessions.flatMap(({ heldUp, heldDown }) => [heldUp, heldDown])
  return {
    bytes: Buffer.concat([length, text, ...held]),
    descriptors: sessions.flatMap(({ descriptors }) => descriptors),
  }
}

/** null: it is no batch. The giver is this program, of our own user: its facts are taken at their word. */
export function decodeBatch(bytes: Buffer): Batch | null {
  if (bytes.length < lengthBytes) return null
  const end = lengthBytes + bytes.readUInt32LE(0)
  if (end > bytes.length) return null
  const given = parse(bytes.toString('utf8', lengthBytes, end))
  if (given === null || typeof given.number !== 'number' || !Array.isArray(given.sessions)) return null
  const sessions: CarriedSession[] = given.sessions
  const held = bytes.subarray(end)
  const total = sessions.reduce((sum, { up, down }) => sum + up + down, 0)
  return total === held.length ? { number: given.number, sessions, held } : null
}

export function encodeAnswer(answer: Answer): Buffer {
  return Buffer.from(JSON.stringify(answer))
}

/** null: it is no answer. */
export function decodeAnswer(bytes: Buffer): Answer | null {
  const given = parse(bytes.toString('utf8'))
  if (given === null || typeof given.number !== 'number') return null
  const { kind, number, refused } = given
  if (kind === 'full') return { kind, number }
  return kind === 'taken' && Array.isArray(refused) ? { kind, number, refused } : null
}

function parse(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const given: unknown = JSON.parse(text)
    return typeof given === 'object' && given !== null ? { ...given } : null
  } catch {
    return null
  }
}
