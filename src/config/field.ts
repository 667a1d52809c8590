import { z } from 'zod'
import { formatDuration, maxDurationMs, parseDuration } from './duration.ts'
import { type Accepted, accept, type Refusal, refuse } from './refusal.ts'
import { type Ms, timed } from './shape.ts'
import { didYouMean } from './suggest.ts'
import { offForm, onForm, readSwitch, switchHint } from './switch.ts'

/** Part of a JSON Schema: what an editor is told of a field. */
type Json = Readonly<Record<string, unknown>>

/** Editors accept a variable wherever a value can stand. */
const variable: Json = { type: 'string', pattern: '\\$\\{' }

/**
 * A schema of one value. `read` accepts what was written, or says what was expected; zod carries both lines
 * of that as one message, which issue.ts takes apart.
 */
export function field<T>(read: (given: unknown) => Accepted<T> | Refusal, ...forms: readonly Json[]) {
  const schema = z.unknown().transform((given, context): T => {
    const result = read(given)
    if (result.kind === 'accepted') return result.value
    context.addIssue({ code: 'custom', message: `${result.message}\n${result.hint ?? ''}` })
    return z.NEVER
  })
  const isOpen = forms.some((form) => form.type === 'string' && form.pattern === undefined)
  const all = isOpen ? forms : [...forms, variable]
  return schema.meta(all.length === 1 ? { ...all[0] } : { anyOf: all })
}

/** A field that is written as text, read by `read`. */
export function textField<T>(
  expected: Refusal,
  read: (text: string) => Accepted<T> | Refusal,
  ...forms: readonly Json[]
) {
  return field((given) => (typeof given === 'string' ? read(given) : expected), ...forms)
}

/** A whole number. Text of digits counts: a variable holds nothing else. */
export function integer(min: number, max: number) {
  const expected = refuse(`must be a whole number from ${min} to ${max}`, null)
  return field((given) => readInteger(given, min, max) ?? expected, {
    type: 'integer',
    minimum: min,
    maximum: max,
  })
}

/** No machine of today holds more connections; the bound catches a slipped digit. */
const maxConnections = 10_000_000

/** A number of connections. */
export function connections(min: 0 | 1 = 1) {
  return integer(min, maxConnections)
}

/** A number of connections, or null for `off`. */
export function connectionsOrOff() {
  const expected = refuse('must be `off` or a number of connections', null)
  return field<number | null>(
    (given) => {
      if (readSwitch(given) === false) return accept(null)
      if (given === 0) return { ...expected, hint: 'write `off` for no limit, or `deny` who may have none' }
      return readInteger(given, 1, maxConnections) ?? { ...expected, hint: switchHint(given) }
    },
    offForm,
    { type: 'integer', minimum: 1, maximum: maxConnections },
  )
}

/** `auto` or a number of connections. */
export function autoOrConnections() {
  return autoOr(1, maxConnections)
}

/** `auto` or a whole number. */
export function autoOr(min: number, max: number) {
  const expected = refuse(`must be \`auto\` or a whole number from ${min} to ${max}`, null)
  return field<number | 'auto'>(
    (given) => (given === 'auto' ? accept('auto') : (readInteger(given, min, max) ?? expected)),
    { const: 'auto' },
    { type: 'integer', minimum: min, maximum: max },
  )
}

/** One of a few words. `off` among them may be written `false`; `switched`: what `on` and `off` stand for. */
export function choice<const Word extends string>(
  words: readonly Word[],
  switched: { readonly on?: NoInfer<Word>; readonly off?: NoInfer<Word> } = {},
) {
  const off = switched.off ?? words.find((word) => word === 'off')
  const list = words.map((word) => `\`${word}\``)
  const expected = list.length > 2 ? `must be one of ${list.join(', ')}` : `must be ${list.join(' or ')}`
  return field<Word>(
    (given) => {
      const word = words.find((other) => other === given)
      if (word !== undefined) return accept(word)
      const state = readSwitch(given)
      if (state === true && switched.on !== undefined) return accept(switched.on)
      if (state === false && off !== undefined) return accept(off)
      if (state === true && off !== undefined) return refuse(expected, 'say which one')
      if (typeof given !== 'string') return refuse(expected, null)
      return refuse(expected, didYouMean(given, words))
    },
    { enum: words },
    ...(off === undefined ? [] : [offForm]),
    ...(switched.on === undefined ? [] : [onForm]),
  )
}

/** `on` or `off`. */
export function flag() {
  return field(
    (given) => {
      const state = readSwitch(given)
      return state === undefined ? refuse('must be `on` or `off`', switchHint(given)) : accept(state)
    },
    onForm,
    offForm,
  )
}

/**
 * A mapping's place taken by `off`, which gives `off()`, or by `on`, which gives `on()` if it can stand
 * there.
 */
export function offOrMapping<Off, On = never>(example: string, off: () => Off, on?: () => On) {
  return field<Off | On>(
    (given) => {
      const state = readSwitch(given)
      if (state === false) return accept(off())
      if (state === true && on !== undefined) return accept(on())
      return refuse('must be `off` or a mapping', switchHint(given) ?? `for example ${example}`)
    },
    offForm,
    ...(on === undefined ? [] : [onForm]),
  )
}

const durationForm: Json = { type: 'string', pattern: '^\\d+(ms|s|m|h|d)$' }

/** A time in milliseconds, from `minMs` (1: zero makes no sense) to `maxMs`, a multiple of `stepMs`. */
export function duration(minMs = 1, maxMs = maxDurationMs, stepMs = 1) {
  return field((given) => readDuration(given, minMs, maxMs, stepMs), durationForm).meta({ [timed]: true })
}

/** A time in milliseconds, or `off`, which is 0. `on`: the time that the word stands for; null: none. */
export function durationOrOff(on: string | null) {
  return field<Ms>(
    (given) => {
      const state = readSwitch(given)
      if (state === false) return accept(0 as Ms)
      const hint = state === true && on === null ? 'write the time, for example 8h' : switchHint(given)
      if (hint !== null) return refuse('must be `off` or a duration', hint)
      return readDuration(state === true ? on : given, 0, maxDurationMs, 1)
    },
    offForm,
    ...(on === null ? [] : [onForm]),
    durationForm,
  ).meta({ [timed]: true })
}

function readDuration(given: unknown, minMs: number, maxMs: number, stepMs: number): Accepted<Ms> | Refusal {
  const text = typeof given === 'number' || typeof given === 'string' ? String(given) : ''
  if (/^\d+$/.test(text)) return refuse('must have a unit', `write ${text}s or ${text}ms`)
  const ms = parseDuration(text)
  if (ms === undefined) {
    return refuse('must be a duration', 'write a whole number and a unit: 250ms, 5s, 2m, 1h or 1d')
  }
  if (ms < minMs) {
    return refuse(minMs === 1 ? 'must be longer than 0' : `must be at least ${formatDuration(minMs)}`, null)
  }
  if (ms % stepMs !== 0) return refuse(`must be a multiple of ${formatDuration(stepMs)}`, null)
  if (ms <= maxMs) return accept(ms as Ms)
  const reason = maxMs === maxDurationMs ? 'timers hold no more' : null
  return refuse(`must be at most ${formatDuration(maxMs)}`, reason)
}

function readInteger(given: unknown, min: number, max: number): Accepted<number> | undefined {
  const number = typeof given === 'string' && /^\d{1,15}$/.test(given) ? Number(given) : given
  return typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max
    ? accept(number)
    : undefined
}
