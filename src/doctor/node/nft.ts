import { parseIp } from '../../core/address.ts'
import type { Words } from '../finding.ts'
import { addressType } from './iptables.ts'
import type { Chain, Hook, Range, Rule, Test, Verdict } from './rules.ts'

/** Anything out of `nft -j`: every part is looked at before it is believed. */
type Json = string | number | boolean | null | undefined | readonly Json[] | { readonly [key: string]: Json }

/** What is in a set or a map; undefined: nobody knows. */
type Elements = (set: string) => readonly Json[] | undefined

/**
 * Reads what `nft -j list ruleset` prints (libnftables-json(5)). Of expressions of iptables-nft only the
 * common ones are in it: such a table is better read from iptables-save. Throws when `text` is not JSON.
 */
export function parseNft(text: string): readonly Chain[] {
  const items = list(field(JSON.parse(text), 'nftables'))
  const of = (kind: string): Json[] =>
    items.map((item) => field(item, kind)).filter((each) => each !== undefined)
  const sets = new Map(
    [...of('set'), ...of('map')].map((set) => [
      `${idOf(set)} ${word(set, 'name')}`,
      list(field(set, 'elem')),
    ]),
  )
  const rules = new Map<string, Json[]>()
  for (const rule of of('rule')) {
    const id = `${idOf(rule)} ${word(rule, 'chain')}`
    rules.set(id, [...(rules.get(id) ?? []), rule])
  }
  return of('chain').flatMap((chain) => {
    const family = word(chain, 'family')
    if (family !== 'ip' && family !== 'ip6' && family !== 'inet') return []
    const table = word(chain, 'table')
    const name = word(chain, 'name')
    const elements = (set: string): readonly Json[] | undefined => sets.get(`${idOf(chain)} ${set}`)
    return {
      table: `${family} ${table}`,
      family,
      name,
      hook: hookOf(chain),
      rules: (rules.get(`${idOf(chain)} ${name}`) ?? []).flatMap((rule) => rulesOf(rule, elements)),
      accept: ({ host, port }): Words => {
        const to = host === null ? [] : [host.includes(':') ? 'ip6' : 'ip', 'daddr', host]
        return ['nft', 'insert', 'rule', family, table, name, ...to, 'tcp', 'dport', String(port), 'accept']
      },
      show: ['nft', '-a', 'list', 'chain', family, table, name],
    }
  })
}

/** The tables that iptables-nft has made, or might have: `ip nat`. */
export const iptablesTables = ['raw', 'mangle', 'nat', 'filter', 'security']

function idOf(item: Json): string {
  return `${word(item, 'family')} ${word(item, 'table')}`
}

function hookOf(chain: Json): Hook | null {
  const at = word(chain, 'hook')
  if (at !== 'prerouting' && at !== 'input' && at !== 'output') return null
  const priority = Number(field(chain, 'prio') ?? 0)
  const type = word(chain, 'type') === 'nat' ? 'nat' : 'filter'
  return { at, type, priority, drops: word(chain, 'policy') === 'drop' }
}

/** Values of one map or set, times those of another in the same rule: beyond this nobody looks at each. */
const mostWays = 100_000

/** More than one where a map or a set of several parts is asked: kube-proxy has all Services in one. */
function rulesOf(rule: Json, elements: Elements): readonly Rule[] {
  // Each is a way to fit the rule so far.
  let ways: readonly (readonly Test[])[] = [[]]
  const found: Rule[] = []
  const base = {
    text: textOf(rule),
    remove: [
      ...['nft', 'delete', 'rule', word(rule, 'family'), word(rule, 'table'), word(rule, 'chain')],
      ...['handle', String(field(rule, 'handle'))],
    ],
  }
  const narrow = (more: readonly (readonly Test[])[]): void => {
    const few = ways.length * more.length <= mostWays
    ways = ways.flatMap((way) => (few ? more : [[unknown]]).map((tests) => [...way, ...tests]))
  }
  const decide = (verdict: Verdict): void => {
    found.push(...ways.map((tests) => ({ ...base, tests, verdict })))
  }
  for (const expression of list(field(rule, 'expr'))) {
    const match = field(expression, 'match')
    const verdictMap = field(expression, 'vmap')
    const xt = field(expression, 'xt')
    if (match !== undefined) narrow(waysOf(match, elements))
    else if (verdictMap !== undefined) {
      const before = ways
      const left = field(verdictMap, 'key')
      const pairs = pairsOf(field(verdictMap, 'data'), elements)
      for (const [at, [key, verdict]] of pairs.entries()) {
        // A number that is drawn is one of those listed: who has not got another has the last.
        const drawn = field(left, 'numgen') !== undefined
        if (drawn && at < pairs.length - 1) narrow([[unknown]])
        else if (!drawn) narrow(waysOf({ op: '==', left, right: key }, elements))
        decide(verdictOf(verdict) ?? { kind: 'next' })
        ways = before
      }
    } else if (xt !== undefined) {
      const name = word(xt, 'name')
      if (name === 'comment') continue
      if (word(xt, 'type') === 'match') narrow([[unknown]])
      else decide(xtVerdict(name))
    } else {
      const verdict = verdictOf(expression)
      if (verdict !== null) decide(verdict)
      else if (field(expression, 'limit') !== undefined) narrow([[unknown]])
    }
  }
  return found
}

const unknown: Test = { kind: 'other' }

/** `ip daddr . tcp dport` is looked for as a whole, one of which has to fit; everything else is one test. */
function waysOf(match: Json, elements: Elements): readonly (readonly Test[])[] {
  const parts = list(field(field(match, 'left'), 'concat'))
  if (parts.length === 0) return [[testOf(match, elements)]]
  const values = valuesOf(field(match, 'right'), elements)
  if (values === null || word(match, 'op') === '!=') return [[unknown]]
  return values.map((value) => {
    const keys = list(field(value, 'concat'))
    if (keys.length !== parts.length) return [unknown]
    return parts.map((left, at) => testOf({ op: '==', left, right: keys[at] }, elements))
  })
}

function xtVerdict(name: string): Verdict {
  if (name === 'REDIRECT') return { kind: 'redirect', port: null }
  if (name === 'TPROXY') return { kind: 'tproxy', port: null }
  if (name === 'DNAT') return { kind: 'dnat', to: 'another address' }
  return { kind: name === 'REJECT' ? 'reject' : 'next' }
}

/** null: no verdict. */
function verdictOf(expression: Json): Verdict | null {
  for (const kind of ['accept', 'drop', 'reject', 'return'] as const) {
    if (field(expression, kind) !== undefined) return { kind }
  }
  for (const kind of ['jump', 'goto'] as const) {
    const found = field(expression, kind)
    if (found !== undefined) return { kind, chain: word(found, 'target') }
  }
  for (const kind of ['redirect', 'tproxy'] as const) {
    const found = field(expression, kind)
    if (found === undefined) continue
    const port = field(found, 'port')
    return { kind, port: typeof port === 'number' ? port : null }
  }
  const dnat = field(expression, 'dnat')
  if (dnat === undefined) return null
  const [addr, port] = [field(dnat, 'addr'), field(dnat, 'port')]
  if (typeof addr !== 'string') return { kind: 'dnat', to: 'another address' }
  return { kind: 'dnat', to: typeof port === 'number' ? `${addr}:${port}` : addr }
}

function testOf(match: Json, elements: Elements): Test {
  const left = field(match, 'left')
  const op = word(match, 'op')
  const values = valuesOf(field(match, 'right'), elements)
  const equal = op === '==' || op === 'in' || op === ''
  if (values === null || (!equal && op !== '!=')) return { kind: 'other' }
  const not = op === '!='
  const names = values.filter((value) => typeof value === 'string')
  const payload = field(left, 'payload')
  const meta = word(field(left, 'meta'), 'key')
  switch (`${word(payload, 'protocol')} ${word(payload, 'field')}`) {
    case 'tcp dport':
    case 'th dport': {
      const ranges = values.map(rangeOf).filter((range) => range !== null)
      return ranges.length === values.length ? { kind: 'port', ranges, not } : { kind: 'other' }
    }
    case 'udp dport':
      return { kind: 'protocol', names: ['udp'], not: false }
    case 'ip daddr':
    case 'ip6 daddr':
    case 'ip saddr':
    case 'ip6 saddr': {
      const networks = values.flatMap(networksOf)
      if (networks.length !== values.length) return { kind: 'other' }
      return { kind: word(payload, 'field') === 'daddr' ? 'to' : 'from', networks, not }
    }
    case 'ip protocol':
    case 'ip6 nexthdr':
      return { kind: 'protocol', names, not }
  }
  if (meta === 'l4proto') return { kind: 'protocol', names: values.map(String), not }
  if (meta === 'iifname' || meta === 'iif') return { kind: 'in', interfaces: names, not }
  if (meta === 'oifname' || meta === 'oif') return { kind: 'out', interfaces: names, not }
  if (meta === 'nfproto') return { kind: 'family', family: values.includes('ipv6') ? 6 : 4, not }
  if (meta === 'mark' && typeof values[0] === 'number')
    return { kind: 'mark', value: values[0], mask: 0xffffffff, not }
  // A status (dnat, snat, seen-reply) is of a connection that is known already.
  if (['state', 'status'].includes(word(field(left, 'ct'), 'key')))
    return { kind: 'state', states: names, not }
  const fib = field(left, 'fib')
  if (word(fib, 'result') === 'type' && list(field(fib, 'flags')).includes('daddr')) {
    return addressType(names, not)
  }
  return { kind: 'other' }
}

/** null: it is not known what they are. */
function valuesOf(right: Json, elements: Elements): readonly Json[] | null {
  if (typeof right === 'string' && right.startsWith('@')) {
    const found = elements(right.slice(1))
    return found?.map(plain) ?? null
  }
  const set = field(right, 'set')
  if (set !== undefined) return list(set).map(plain)
  return Array.isArray(right) ? right : [right]
}

/** An element of a set may carry a comment, a counter or a timeout beside its value. */
function plain(element: Json): Json {
  return field(field(element, 'elem'), 'val') ?? element
}

function pairsOf(data: Json, elements: Elements): readonly [Json, Json][] {
  return (valuesOf(data, elements) ?? []).flatMap((pair) => {
    const [key, verdict] = list(pair)
    return key === undefined ? [] : [[plain(key), verdict]]
  })
}

function rangeOf(value: Json): Range | null {
  if (typeof value === 'number') return [value, value]
  const [from, to] = list(field(value, 'range'))
  return typeof from === 'number' && typeof to === 'number' ? [from, to] : null
}

/** Empty: a range of addresses that is no prefix. */
function networksOf(value: Json): readonly string[] {
  if (typeof value === 'string') return parseIp(value) === undefined ? [] : [value]
  const prefix = field(value, 'prefix')
  return prefix === undefined ? [] : [`${word(prefix, 'addr')}/${String(field(prefix, 'len'))}`]
}

function textOf(rule: Json): string {
  const comment = word(rule, 'comment')
  const place = `${idOf(rule)} ${word(rule, 'chain')} handle ${String(field(rule, 'handle'))}`
  return comment === '' ? place : `${place} (${comment})`
}

function field(value: Json, key: string): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && key in value
    ? (value as { readonly [key: string]: Json })[key]
    : undefined
}

function word(value: Json, key: string): string {
  const found = field(value, key)
  return typeof found === 'string' ? found : ''
}

function list(value: Json): readonly Json[] {
  return Array.isArray(value) ? value : []
}
