import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Ends } from './peer.ts'
import type { Secret } from './secret.ts'

export type Role = 'giver' | 'taker'

/** What one side shows to the other. */
export interface Shown {
  /** A number used once, as text; undefined: a program that knows no proof. */
  readonly challenge?: string | undefined
  /** undefined: it cannot prove anything. */
  readonly proof?: string | undefined
}

const challengeBytes = 32

/** As it comes from the other side: what is no such text counts as not said. */
export function isMac(given: unknown): given is string {
  return typeof given === 'string' && /^[0-9a-f]{64}$/.test(given)
}

/**
 * Whether the process at the other end knows the secret of this one, which is never sent. The uid is weak:
 * any container on the host's network may run under it.
 *
 * What proves it is a MAC over numbers of both sides, so that nothing can be shown twice; over who shows it,
 * so that nothing can be shown back; and over the two sockets of this very conversation, so that nobody who
 * has got hold of the name can stand in the middle and pass on what both say.
 */
export class Proof {
  readonly challenge = randomBytes(challengeBytes).toString('hex')
  readonly #role: Role
  readonly #secret: Secret
  readonly #ends: () => Ends | null

  /** `ends`: asked when the conversation is under way. */
  constructor(role: Role, secret: Secret, ends: () => Ends | null) {
    this.#role = role
    this.#secret = secret
    this.#ends = ends
  }

  /** What answers the other side's challenge; undefined: nothing does. */
  answer(challenge: string | undefined): string | undefined {
    if (challenge === undefined) return undefined
    return this.#mac(this.#role, challenge)?.toString('hex')
  }

  /** null: the other side knows the secret; otherwise why that is not sure. */
  doubt({ challenge, proof }: Shown): string | null {
    if (challenge === undefined) return 'its program knows no proof'
    if (this.#secret.kind === 'none') return this.#secret.reason
    const expected = this.#mac(this.#role === 'giver' ? 'taker' : 'giver', challenge)
    if (expected === null) return 'the kernel does not tell who is at the other end (unix_diag)'
    if (proof === undefined) return 'it has no secret (its log says why)'
    return timingSafeEqual(Buffer.from(proof, 'hex'), expected)
      ? null
      : 'its secret is another one, or somebody stands between'
  }

  #mac(role: Role, theirs: string): Buffer | null {
    if (this.#secret.kind === 'none') return null
    const ends = this.#ends()
    if (ends === null) return null
    const [giver, taker] =
      this.#role === 'giver'
        ? [`${this.challenge} ${ends.own}`, `${theirs} ${ends.other}`]
        : [`${theirs} ${ends.other}`, `${this.challenge} ${ends.own}`]
    return createHmac('sha256', this.#secret.key)
      .update(`spliceway hand-over\n${role}\n${giver}\n${taker}\n`)
      .digest()
  }
}

/** For the log: why connections stay where they are, and how to change that. */
export function unprovenNote(who: string, doubt: string): string {
  return (
    `only listening sockets go over, because ${who} has not proven its right to more: ${doubt}. ` +
    'Both processes have to read the same handover.secret, a file in a folder of mode 0700 of their user'
  )
}
