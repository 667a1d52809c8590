import { z } from 'zod'
import { formatDuration, maxDurationMs, parseDuration } from './duration.ts'
import { type Accepted, accept, type Refusal, refuse } from './refusal.ts'
import { didYouMean } from './suggest.ts'

/** Part of a JSON Schema: what an editor is told of a field. */
type Json = Readonly<Record<string, unknown>>

/** Editors accept a variable wherever a value can stand. */
const variable: Json = { type: 'string', pattern: '\\$\\{' }

/**
 * A schema of one value. `read` accepts what was written, or says what was expected; zod carries both lines of that as
 * one message, which issue.ts takes apart.
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

/** `auto` or a whole number. */
export function autoOr(min: number, max: number) {
  const expected = refuse(`must be \`auto\` or a whole number from ${min} to ${max}`, null)
  return field<number | 'auto'>(
    (given) => (given === 'auto' ? accept('auto') : (readInteger(given, min, max) ?? expected)),
    { const: 'auto' },
    { type: 'integer', minimum: min, maximum: max },
  )
}

/** One of a few words. */
export function choice<const Word extends string>(words: readonly Word[]) {
  const list = words.map((word) => `\`${word}\``)
  const expected = list.length > 2 ? `must be one of ${list.join(', ')}` : `must be ${list.join(' or ')}`
  return field<Word>(
    (given) => {
      const word = words.find((other) => other === given)
      if (word !== undefined) return accept(word)
      // YAML 1.1 took `off` for false, so people write false for `off`.
      if (given === false && words.some((other) => other === 'off')) return refuse(expected, 'write `off`')
      if (typeof given !== 'string') return refuse(expected, null)
      return refuse(expected, didYouMean(given, words))
    },
    { enum: words },
  )
}

/** `true` or `false`. Text counts: a variable holds nothing else. */
export function flag() {
  return field(
    (given) => {
      const text = String(given)
      return text === 'true' || text === 'false'
        ? accept(text === 'true')
        : refuse('must be `true` or `false`', null)
    },
    { type: 'boolean' },
  )
}

/** `off`, where a mapping could stand instead. */
export function offOrMapping(example: string) {
  return field<'off'>(
    (given) => {
      if (given === 'off') return accept('off')
      const isOff =
        given === false || (typeof given === 'string' && /^(no|none|false|disabled)$/i.test(given))
      return refuse('must be `off` or a mapping', isOff ? 'write `off`' : `for example ${example}`)
    },
    { const: 'off' },
  )
}

const durationForm: Json = { type: 'string', pattern: '^\\d+(ms|s|m|h|d)$' }

/** A time in milliseconds, from `minMs` (1: zero makes no sense) to `maxMs`, a multiple of `stepMs`. */
export function duration(minMs = 1, maxMs = maxDurationMs, stepMs = 1) {
  return field((given) => readDuration(given, minMs, maxMs, stepMs), durationForm)
}

/** A time in milliseconds, or `off`, which is 0. */
export function durationOrOff() {
  return field<number>(
    (given) => {
      if (given === 'off') return accept(0)
      // YAML 1.1 took `off` for false, so people write false for `off`.
      if (given === false) return refuse('must be `off` or a duration', 'write `off`')
      return readDuration(given, 0, maxDurationMs, 1)
    },
    { const: 'off' },
    durationForm,
  )
}

function readDuration(
  given: unknown,
  minMs: number,
  maxMs: number,
  stepMs: number,
): Accepted<number> | Refusal {
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
  if (ms <= maxMs) return accept(ms)
  const reason = maxMs === maxDurationMs ? 'timers hold no more' : null
  return refuse(`must be at most ${formatDuration(maxMs)}`, reason)
}

function readInteger(given: unknown, min: number, max: number): Accepted<number> | undefined {
  const number = typeof given === 'string' && /^\d{1,15}$/.test(given) ? Number(given) : given
  return typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max
    ? accept(number)
    : undefined
}
