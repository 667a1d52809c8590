import type { Chain, Hook, Range, Rule, Test, Verdict } from './rules.ts'

/** Which program to ask, and to change things with. */
export type IptablesName = 'iptables-nft' | 'ip6tables-nft' | 'iptables-legacy' | 'ip6tables-legacy'

const hooks = { PREROUTING: 'prerouting', INPUT: 'input', OUTPUT: 'output' } as const
/** linux/netfilter_ipv4.h: NF_IP_PRI_*, of destinations. */
const priorities: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  nat: -100,
  filter: 0,
  security: 50,
}

/** Reads what `iptables-save` prints. Chains of other hooks are kept: one may jump to them. */
export function parseIptables(saved: string, program: IptablesName): readonly Chain[] {
  const tables = new Map<string, { policies: Map<string, string>; rules: Map<string, string[][]> }>()
  let table = ''
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) {
      table = line.slice(1).trim()
      tables.set(table, { policies: new Map(), rules: new Map() })
      continue
    }
    const known = tables.get(table)
    const [, chain, policy] = /^:(\S+) (\S+)/.exec(line) ?? []
    if (chain !== undefined && policy !== undefined) known?.policies.set(chain, policy)
    if (!line.startsWith('-A ')) continue
    const words = wordsOf(line).slice(1)
    const [into = '', ...rule] = words
    known?.rules.set(into, [...(known.rules.get(into) ?? []), rule])
  }
  return [...tables].flatMap(([name, { policies, rules }]) =>
    [...policies].map(([chain, policy]): Chain => {
      const base = [program, '-t', name] as const
      return {
        table: `${program} ${name}`,
        family: program.startsWith('ip6') ? 'ip6' : 'ip',
        name: chain,
        hook: hookOf(name, chain, policy),
        rules: (rules.get(chain) ?? []).map((words) => ruleOf(words, chain, base, new Set(policies.keys()))),
        accept: ({ host, port }) => {
          const to = host === null ? [] : ['-d', host]
          return [...base, '-I', chain, '-p', 'tcp', ...to, '--dport', String(port), '-j', 'ACCEPT']
        },
        show: [...base, '-S', chain],
      }
    }),
  )
}

function hookOf(table: string, chain: string, policy: string): Hook | null {
  const at = hooks[chain as keyof typeof hooks]
  if (at === undefined || policy === '-') return null
  return {
    at,
    type: table === 'nat' ? 'nat' : 'filter',
    priority: priorities[table] ?? 0,
    drops: policy === 'DROP',
  }
}

/** `"a \"b\""` is one word, as iptables-save writes it. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, bare]) => quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '',
  )
}

function ruleOf(
  words: readonly string[],
  chain: string,
  base: readonly string[],
  chains: ReadonlySet<string>,
): Rule {
  const at = words.findIndex((word, i) => (word === '-j' || word === '-g') && words[i - 1] !== '--comment')
  const matches = at === -1 ? words : words.slice(0, at)
  return {
    tests: testsOf(matches),
    verdict: at === -1 ? { kind: 'next' } : verdictOf(words.slice(at), chains),
    text: `-A ${chain} ${words.join(' ')}`,
    remove: [...base, '-D', chain, ...words],
  }
}

/** Options without a value; whatever is not known takes the words up to the next option. */
const bare = new Set(['--syn', '--random', '--random-fully', '--persistent'])

function testsOf(words: readonly string[]): Test[] {
  const tests: Test[] = []
  for (let i = 0; i < words.length; ) {
    const not = words[i] === '!'
    if (not) i++
    const option = words[i++] ?? ''
    let value = ''
    if (option === '--comment')
      i++ // one word, which may look like anything
    else if (!bare.has(option)) {
      const from = i
      while (i < words.length && words[i] !== '!' && !(words[i] ?? '').startsWith('-')) i++
      value = words.slice(from, i).join(' ')
    }
    const test = testOf(option, value, not)
    if (test !== null) tests.push(test)
  }
  return tests
}

/** null: it tests nothing. */
function testOf(option: string, value: string, not: boolean): Test | null {
  switch (option) {
    case '-m':
    case '--comment':
      return null // the module's own options say what it tests
    case '-p':
      return value === 'all' ? null : { kind: 'protocol', names: [value], not }
    case '--dport':
    case '--dports':
    case '--destination-ports':
      return { kind: 'port', ranges: value.split(',').map(rangeOf), not }
    case '-d':
      return { kind: 'to', networks: value.split(','), not }
    case '-s':
      return { kind: 'from', networks: value.split(','), not }
    case '-i':
      return { kind: 'in', interfaces: [value], not }
    case '-o':
      return { kind: 'out', interfaces: [value], not }
    case '--dst-type':
      return addressType(value.toLowerCase().split(','), not)
    case '--ctstate':
    case '--state':
      return { kind: 'state', states: value.toLowerCase().split(','), not }
    case '--mark': {
      const [mark = '', mask = '0xffffffff'] = value.split('/')
      return { kind: 'mark', value: Number(mark), mask: Number(mask), not }
    }
    case '--syn':
      return not ? { kind: 'state', states: ['new'], not } : null // the first packet of a connection is one
    case '--tcp-flags':
      return value === 'FIN,SYN,RST,ACK SYN' && !not ? null : { kind: 'other' }
    default:
      return { kind: 'other' }
  }
}

/** What kind of address the destination is. */
export function addressType(types: readonly string[], not: boolean): Test {
  if (types.includes('unicast')) return { kind: 'other' }
  return types.includes('local') ? { kind: 'to-local', not } : { kind: 'never', not }
}

function rangeOf(text: string): Range {
  const [from = '', to = from] = text.split(':')
  return [Number(from || 0), Number(to || 65_535)]
}

function verdictOf([how, target = '', ...options]: readonly string[], chains: ReadonlySet<string>): Verdict {
  const option = (name: string): string | undefined => options[options.indexOf(name) + 1]
  if (chains.has(target)) return { kind: how === '-g' ? 'goto' : 'jump', chain: target }
  switch (target) {
    case 'ACCEPT':
      return { kind: 'accept' }
    case 'DROP':
      return { kind: 'drop' }
    case 'REJECT':
      return { kind: 'reject' }
    case 'RETURN':
      return { kind: 'return' }
    case 'REDIRECT':
      return {
        kind: 'redirect',
        port: options.includes('--to-ports') ? Number.parseInt(option('--to-ports') ?? '', 10) : null,
      }
    case 'TPROXY':
      return { kind: 'tproxy', port: options.includes('--on-port') ? Number(option('--on-port')) : null }
    case 'DNAT':
      return {
        kind: 'dnat',
        to: options.includes('--to-destination') ? (option('--to-destination') ?? '') : 'another address',
      }
    default:
      return { kind: 'next' }
  }
}
