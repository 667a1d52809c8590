/**
 * What two processes say to each other at a hand-over, one JSON object a line. The newcomer: hello,
 * accepting, beat while it proves itself, settled. The process that serves: wait, sockets (one or more),
 * released, and in the worst case reclaimed; or refused, at any time before released.
 *
 * Descriptors travel beside the bytes, in the order in which the messages count them. Live connections go
 * over a channel of their own (live-message.ts), whose end `sessions` carries. That kind is sent only to a
 * newcomer that has asked for it in its `hello`: a process that does not know a kind takes the conversation
 * for unreadable.
 */
export type Message =
  | {
      readonly kind: 'hello'
      /** As the newcomer knows itself: from another PID namespace the kernel says 0. */
      readonly pid: number
      /** Of the program; for the log. */
      readonly program: string
      /** Whether it can receive descriptors. */
      readonly descriptors: boolean
      /** Names of admin listeners that it will open; whoever has them open closes them. */
      readonly doors: readonly string[]
      readonly revision: number
      /** Version of the channel over which it takes live connections; 0: it takes none. */
      readonly sessions: number
    }
  /** The sockets come when the process that serves has proven itself, which takes at most `ms`. */
  | { readonly kind: 'wait'; readonly ms: number }
  | {
      readonly kind: 'sockets'
      readonly pid: number
      readonly program: string
      readonly listeners: readonly ListenerOffer[]
      /** Another `sockets` message follows. */
      readonly more: boolean
      /** Of the doors of `hello`, those that the sender has open; null: it does not say. */
      readonly doors: readonly string[] | null
      /** The last descriptor is the listening socket of the name at which successors call. */
      readonly name: boolean
      readonly revision: number
      /** Version of the channel over which the sender gives live connections; 0: it gives none. */
      readonly sessions: number
      /** Endpoints that were drained by hand. */
      readonly drained: readonly DrainedEndpoint[]
    }
  | { readonly kind: 'refused'; readonly reason: string }
  /** `keys`: whose sockets it accepts from; null: from all that were offered with descriptors. */
  | { readonly kind: 'accepting'; readonly keys: readonly string[] | null }
  | { readonly kind: 'released' }
  /** The newcomer is alive; sent every `beatMs` between `accepting` and `settled`. */
  | { readonly kind: 'beat' }
  /** Until this is said, the process before begins to accept again when the newcomer dies or hangs. */
  | { readonly kind: 'settled' }
  /** The answer to `settled`: the newcomer's end of the channel for live connections comes along. */
  | { readonly kind: 'sessions' }
  /** The newcomer seemed to hang: the process before accepts again, and the newcomer has to go. */
  | { readonly kind: 'reclaimed'; readonly reason: string }

export interface DrainedEndpoint {
  readonly pool: string
  readonly endpoint: string
}

/** So many are told of, in messages of their own: 200 with long names are 32 KiB. */
export const mostDrained = 200

export interface ListenerOffer {
  /** As HeldSockets. */
  readonly key: string
  readonly host: string
  readonly port: number
  /** How many descriptors of this message are its sockets; 0: none can be passed, bind beside. */
  readonly descriptors: number
  /** Somebody else holds them too: systemd. */
  readonly shared: boolean
}

/** Grows when a process of the previous version would misunderstand the conversation. */
export const version = 1
/**
 * Grows with additions that are only sent to processes that know them. 0: the first versions, which do not
 * send this number. 1: wait, beat, reclaimed, the name's socket, `doors`, `keys`, `shared`.
 */
export const revision = 1
/** Of the channel for live connections (live-message.ts); both sides have to know the same one. */
export const sessionsVersion = 1
/** Of a newcomer that is not settled: short beside the silence that the process before takes for a hang. */
export const beatMs = 500
/** 256 listeners, the most there are, with the longest names and addresses are 57 KiB. */
export const mostMessageBytes = 64 * 1024
const newline = 0x0a

export type Decoded =
  | { readonly kind: 'message'; readonly message: Message; readonly bytes: number }
  /** More bytes are needed. */
  | { readonly kind: 'incomplete' }
  /** The rest of the conversation is lost; `reason` is for the log. */
  | { readonly kind: 'unreadable'; readonly reason: string }

export function encode(message: Message): Buffer {
  return Buffer.from(`${JSON.stringify({ handover: version, ...message })}\n`)
}

/** Reads the first message of `bytes`. Never throws. */
export function decode(bytes: Buffer): Decoded {
  const end = bytes.indexOf(newline)
  if (end === -1 || end >= mostMessageBytes) {
    return bytes.length < mostMessageBytes
      ? { kind: 'incomplete' }
      : unreadable(`a message of more than ${mostMessageBytes} bytes`)
  }
  const given = parse(bytes.toString('utf8', 0, end))
  if (given === undefined || !('handover' in given)) return unreadable('something else than a message')
  if (given.handover !== version) {
    return unreadable(`version ${text(given.handover)} of the hand-over, this process speaks ${version}`)
  }
  const message = read(given)
  return message === undefined
    ? unreadable(`a message that is not understood: ${text(given.kind)}`)
    : { kind: 'message', message, bytes: end + 1 }
}

function unreadable(reason: string): Decoded {
  return { kind: 'unreadable', reason }
}

type Fields = Readonly<Record<string, unknown>>

function read(given: Fields): Message | undefined {
  const { kind, pid, program, descriptors, doors, listeners, more, reason, keys, ms } = given
  const { revision = 0, name = false, sessions = 0, drained = [] } = given
  if (!isCount(revision) || !isCount(sessions)) return undefined
  switch (kind) {
    case 'hello':
      return isCount(pid) && isText(program) && typeof descriptors === 'boolean' && isListOf(doors, isText)
        ? { kind, pid, program, descriptors, doors, revision, sessions }
        : undefined
    case 'wait':
      return isCount(ms) ? { kind, ms } : undefined
    case 'sockets':
      if (!isCount(pid) || !isText(program) || typeof more !== 'boolean' || typeof name !== 'boolean') return
      if (!isListOf(drained, isDrained)) return
      return isListOf(listeners, isOffer) && isTextsOrNone(doors)
        ? {
            kind,
            pid,
            program,
            listeners: listeners.map(offer),
            more,
            doors: doors ?? null,
            name,
            revision,
            sessions,
            drained: drained.map(({ pool, endpoint }) => ({ pool, endpoint })),
          }
        : undefined
    case 'refused':
    case 'reclaimed':
      return isText(reason) ? { kind, reason } : undefined
    case 'accepting':
      return isTextsOrNone(keys) ? { kind, keys: keys ?? null } : undefined
    case 'released':
    case 'beat':
    case 'settled':
    case 'sessions':
      return { kind }
    default:
      return undefined
  }
}

/** Without what a later version may have added. */
function offer({ key, host, port, descriptors, shared = false }: ReadOffer): ListenerOffer {
  return { key, host, port, descriptors, shared }
}

/** The first versions do not send `shared`. */
type ReadOffer = Omit<ListenerOffer, 'shared'> & { readonly shared?: boolean }

function isOffer(given: unknown): given is ReadOffer {
  if (!isFields(given)) return false
  const { key, host, port, descriptors, shared = false } = given
  const counts = isCount(port) && port <= 65_535 && isCount(descriptors)
  return isText(key) && isText(host) && counts && typeof shared === 'boolean'
}

function isDrained(given: unknown): given is DrainedEndpoint {
  return isFields(given) && isText(given.pool) && isText(given.endpoint)
}

function isTextsOrNone(given: unknown): given is readonly string[] | null | undefined {
  return given === undefined || given === null || isListOf(given, isText)
}

function isListOf<T>(given: unknown, isItem: (item: unknown) => item is T): given is readonly T[] {
  return Array.isArray(given) && given.every(isItem)
}

function isText(given: unknown): given is string {
  return typeof given === 'string'
}

function isCount(given: unknown): given is number {
  return typeof given === 'number' && Number.isInteger(given) && given >= 0
}

function isFields(given: unknown): given is Fields {
  return typeof given === 'object' && given !== null
}

function parse(line: string): Fields | undefined {
  try {
    const given: unknown = JSON.parse(line)
    return isFields(given) ? given : undefined
  } catch {
    return undefined
  }
}

/** Shortened for a log line, whatever the other side wrote. */
function text(given: unknown): string {
  return (JSON.stringify(given) ?? 'none').slice(0, 40)
}
