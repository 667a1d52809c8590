import { z } from 'zod'
import { type Cidr, parseCidr } from '../core/cidr.ts'
import { absolutePath } from './discovery-field.ts'
import { field, textField } from './field.ts'
import { accept, refuse } from './refusal.ts'
import { mapping } from './shape.ts'
import { offForm, readSwitch, switchHint } from './switch.ts'

/** An address, or a range of them. */
export function cidr() {
  const expected = refuse(
    'must be an address or a range',
    'for example 192.0.2.1, 10.0.0.0/8 or "2001:db8::/32"',
  )
  return textField<Cidr>(
    expected,
    (text) => {
      const parsed = parseCidr(text)
      return parsed.kind === 'ok' ? accept(parsed.cidr) : refuse(parsed.message, parsed.hint)
    },
    { type: 'string' },
  )
}

/** Where the ranges of a list are. */
export type RangeListConfig =
  | { readonly kind: 'listed'; readonly cidrs: readonly Cidr[] }
  | { readonly kind: 'file'; readonly path: string }

/** Ranges, or the file that has them. */
export function rangeList(example: string) {
  return z.union([
    z
      .array(cidr())
      .min(1)
      .transform((cidrs): RangeListConfig => ({ kind: 'listed', cidrs })),
    mapping({
      file: absolutePath(example).describe(
        'A file with a range a line, `#` begins a comment; read again when it changes.',
      ),
    }).transform(({ file }): RangeListConfig => ({ kind: 'file', path: file })),
  ])
}

/** A slipped digit, and not what a machine can accept. */
const maxPerSecond = 1_000_000

/** `50/s`, or null for `off`. */
export function rateOrOff(example: string) {
  const expected = refuse('must be `off` or a number of connections a second', `for example ${example}`)
  return field<number | null>(
    (given) => {
      if (readSwitch(given) === false) return accept(null)
      const hint = switchHint(given)
      if (hint !== null) return { ...expected, hint }
      const text = typeof given === 'number' || typeof given === 'string' ? String(given) : ''
      if (/^\d{1,15}$/.test(text)) return refuse('must have a unit', `write ${text}/s`)
      const [, digits = ''] = /^(\d{1,15})\/s$/.exec(text) ?? []
      if (digits === '') return expected
      const perSecond = Number(digits)
      if (perSecond >= 1 && perSecond <= maxPerSecond) return accept(perSecond)
      return refuse(
        `must be from 1/s to ${maxPerSecond}/s`,
        perSecond === 0 ? 'write `off` for no limit' : null,
      )
    },
    offForm,
    { type: 'string', pattern: '^\\d+/s$' },
  )
}

/** A server name that a route takes: a host name, or `*.` and a host name, which covers one label. */
export function routeName() {
  const expected = refuse(
    'must be a host name, or `*.` and a host name',
    'for example shop.example or "*.shop.example"',
  )
  return textField<string>(
    expected,
    (text) => {
      if (text === '*')
        return refuse('covers every name', 'leave `sni` out, or name the pool as `pool` of the listener')
      if (/[^\x20-\x7e]/.test(text))
        return refuse('must be ASCII, as it is sent', 'write an international name as xn--…')
      if (/\*/.test(text.replace(/^\*\./, '')))
        return refuse(
          'has a `*` that is not its first label',
          'a wildcard is one whole label: "*.shop.example"',
        )
      const name = text.replace(/^\*\./, '').replace(/\.$/, '')
      return name.length <= 253 && /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/i.test(name)
        ? accept(text)
        : expected
    },
    { type: 'string' },
  )
}

/** An application protocol as a ClientHello offers it: RFC 7301, section 3.1. */
export function protocolName() {
  const expected = refuse('must be the name of a protocol', 'for example h2 or http/1.1')
  return textField<string>(
    expected,
    (text) => (/^[\x21-\x7e]{1,255}$/.test(text) ? accept(text) : expected),
    { type: 'string' },
  )
}
