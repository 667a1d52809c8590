/**
 * What two processes say to each other at a hand-over, one JSON object a line. The newcomer: hello, accepting, settled. The
 * process that serves: sockets (one or more), released; or refused.
 *
 * Descriptors travel beside the bytes, in the order in which the messages count them. A message that carries live
 * connections as well would be a kind of its own, in a version of its own: who does not know the version refuses.
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
      /** Names of admin doors that it will open; whoever has them open closes them. */
      readonly doors: readonly string[]
    }
  | {
      readonly kind: 'sockets'
      readonly pid: number
      readonly program: string
      readonly listeners: readonly ListenerOffer[]
      /** Another one of this kind follows. */
      readonly more: boolean
    }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'accepting' }
  | { readonly kind: 'released' }
  /** Until this is said, the process before begins to accept again when the newcomer dies. */
  | { readonly kind: 'settled' }

export interface ListenerOffer {
  /** As HeldSockets. */
  readonly key: string
  readonly host: string
  readonly port: number
  /** How many descriptors of this message are its sockets; 0: none can be passed, bind beside. */
  readonly descriptors: number
}

/** Grows when a process of the version before would misunderstand. */
export const version = 1
/** 256 listeners, the most there are, with the longest names and addresses are 53 KiB. */
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
  const { kind, pid, program, descriptors, doors, listeners, more, reason } = given
  switch (kind) {
    case 'hello':
      return isCount(pid) && isText(program) && typeof descriptors === 'boolean' && isListOf(doors, isText)
        ? { kind, pid, program, descriptors, doors }
        : undefined
    case 'sockets':
      return isCount(pid) && isText(program) && isListOf(listeners, isOffer) && typeof more === 'boolean'
        ? { kind, pid, program, listeners: listeners.map(offer), more }
        : undefined
    case 'refused':
      return isText(reason) ? { kind, reason } : undefined
    case 'accepting':
    case 'released':
    case 'settled':
      return { kind }
    default:
      return undefined
  }
}

/** Without what a later program may have added. */
function offer({ key, host, port, descriptors }: ListenerOffer): ListenerOffer {
  return { key, host, port, descriptors }
}

function isOffer(given: unknown): given is ListenerOffer {
  if (!isFields(given)) return false
  const { key, host, port, descriptors } = given
  return isText(key) && isText(host) && isCount(port) && port <= 65_535 && isCount(descriptors)
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

/** For a log line: short, whatever the other side wrote. */
function text(given: unknown): string {
  return (JSON.stringify(given) ?? 'none').slice(0, 40)
}
