import test from 'ava'
import fc from 'fast-check'
import { compileRoutes, type RouteRule, route } from '../../src/core/route.ts'
import { unreachable } from '../../src/core/unreachable.ts'

interface Written {
  readonly sni?: readonly string[]
  readonly alpn?: readonly string[]
  readonly pool: string
}

function rules(...written: readonly Written[]): RouteRule<string>[] {
  return written.map(({ sni = [], alpn = [], pool }) => ({ sni, alpn, pool }))
}

/** Which pool a client of that name and those protocols gets. */
function way(
  written: readonly Written[],
  serverName: string | null,
  ...alpn: readonly string[]
): string | null {
  // As a worker gets it.
  return route(structuredClone(compileRoutes(rules(...written))), serverName, alpn)
}

const shops: readonly Written[] = [
  { sni: ['*.example'], pool: 'wild' },
  { sni: ['shop.example', '*.shop.example'], pool: 'shop' },
  { sni: ['*.example'], alpn: ['h2'], pool: 'never' },
]

test('an exact name comes before a wildcard, whatever their order', (t) => {
  t.is(way(shops, 'shop.example'), 'shop')
  t.is(way(shops, 'other.example'), 'wild')
})

test('a wildcard covers one label: neither none nor two', (t) => {
  t.is(way(shops, 'a.shop.example'), 'shop')
  t.is(way(shops, 'a.b.shop.example'), null)
  t.is(way(shops, 'example'), null)
  t.is(way([{ sni: ['*.shop.example'], pool: 'shop' }], 'shop.example'), null)
})

test('of two wildcards the longer one takes its names, since the shorter does not cover them', (t) => {
  const written = [
    { sni: ['*.example'], pool: 'short' },
    { sni: ['*.a.example'], pool: 'long' },
  ]
  t.is(way(written, 'b.a.example'), 'long')
  t.is(way(written, 'a.example'), 'short')
})

test('the case of a configured name, and a dot at its end, make no difference', (t) => {
  t.is(way([{ sni: ['Shop.EXAMPLE.'], pool: 'a' }], 'shop.example'), 'a')
  t.is(way([{ sni: ['*.EXAMPLE.'], pool: 'a' }], 'shop.example'), 'a')
})

test('among equals the file decides', (t) => {
  const written = [
    { sni: ['a.example'], alpn: ['h2'], pool: 'first' },
    { sni: ['a.example'], alpn: ['http/1.1', 'h2'], pool: 'second' },
  ]
  t.is(way(written, 'a.example', 'http/1.1', 'h2'), 'first')
  t.is(way(written, 'a.example', 'http/1.1'), 'second')
})

test('name and protocol must both fit', (t) => {
  const written = [{ sni: ['a.example'], alpn: ['h2'], pool: 'a' }]
  t.is(way(written, 'a.example', 'h2'), 'a')
  t.is(way(written, 'a.example', 'http/1.1'), null)
  t.is(way(written, 'a.example'), null)
  t.is(way(written, 'b.example', 'h2'), null)
  t.is(way(written, null, 'h2'), null)
})

test('an exact name whose protocol does not fit falls to the wildcard, and that to a route without names', (t) => {
  const written = [
    { alpn: ['acme-tls/1'], pool: 'acme' },
    { sni: ['a.example'], alpn: ['h2'], pool: 'exact' },
    { sni: ['*.example'], alpn: ['http/1.1'], pool: 'wild' },
  ]
  t.is(way(written, 'a.example', 'h2', 'http/1.1', 'acme-tls/1'), 'exact')
  t.is(way(written, 'a.example', 'http/1.1', 'acme-tls/1'), 'wild')
  t.is(way(written, 'a.example', 'acme-tls/1'), 'acme')
  t.is(way(written, 'a.example', 'smtp'), null)
})

test('a route without names takes any name, and none', (t) => {
  const written = [{ alpn: ['h2'], pool: 'h2' }]
  t.is(way(written, null, 'h2'), 'h2')
  t.is(way(written, 'a.example', 'h2'), 'h2')
  t.is(way(written, 'sh\xf6p.example', 'h2'), 'h2')
})

test('a route without protocols takes a client that offers none', (t) => {
  t.is(way([{ sni: ['a.example'], pool: 'a' }], 'a.example'), 'a')
})

test('a name that no host can have is covered by no wildcard', (t) => {
  const odd = ['sh\xf6p', 'a b', 'a\0', '', '*', 'a/..', `${'x'.repeat(250)}`]
  for (const label of odd) t.is(way([{ sni: ['*.example'], pool: 'a' }], `${label}.example`), null, label)
  for (const name of ['.example', 'a..example', 'a.example.', '.', '*.example'])
    t.is(way(shops, name), null, name)
  t.is(way(shops, '_acme.example'), 'wild')
  t.is(way(shops, 'xn--shp-sna.example'), 'wild')
})

test('names of objects are names like any other', (t) => {
  for (const name of ['constructor', '__proto__', 'toString']) t.is(way(shops, name), null)
})

test('one of 10,000 names is found, and what is none of them goes to the wildcard', (t) => {
  const names = Array.from({ length: 10_000 }, (_, i) => `n${i}.example`)
  const many = compileRoutes(rules({ sni: names, pool: 'a' }, { sni: ['*.example'], pool: 'b' }))
  t.is(route(many, 'n9999.example', []), 'a')
  t.is(route(many, 'n10000.example', []), 'b')
})

/** What route() must come to, written as the sentence: the best kind of match, and of those the first. */
function bySearch(
  written: readonly RouteRule<string>[],
  name: string,
  alpn: readonly string[],
): string | null {
  const kinds = [
    (pattern: string) => pattern === name,
    (pattern: string) => pattern.startsWith('*.') && pattern.slice(2) === name.split('.').slice(1).join('.'),
  ]
  const fits = written.filter((rule) => rule.alpn.length === 0 || rule.alpn.some((one) => alpn.includes(one)))
  for (const kind of kinds) {
    const found = fits.find(({ sni }) => sni.some(kind))
    if (found !== undefined) return found.pool
  }
  return fits.find(({ sni }) => sni.length === 0)?.pool ?? null
}

const labels = fc.constantFrom('a', 'b', 'c')
const anyName = fc.array(labels, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'))
const anyPattern = fc.oneof(
  anyName,
  anyName.map((name) => `*.${name}`),
)
const protocols = fc.subarray(['h2', 'http/1.1', 'x'])
const anyRules = fc.array(
  fc.record(
    { sni: fc.array(anyPattern, { maxLength: 3 }), alpn: protocols, pool: fc.uuid() },
    { noNullPrototype: true },
  ),
  { maxLength: 6 },
)

test('a look-up finds what a search through all routes finds', (t) => {
  fc.assert(
    fc.property(anyRules, anyName, protocols, (written, name, alpn) => {
      t.is(route(compileRoutes(written), name, alpn), bySearch(written, name, alpn))
    }),
  )
})

test('a second route of the same name and protocols can never be reached', (t) => {
  const written = rules(
    { sni: ['a.example'], pool: 'a' },
    { sni: ['b.example', 'A.example.'], pool: 'b' },
    { sni: ['a.example'], alpn: ['h2'], pool: 'c' },
  )
  t.deepEqual(unreachable(written), [
    { route: 1, name: 1, why: { kind: 'taken', by: 0 } },
    { route: 2, name: 0, why: { kind: 'taken', by: 0 } },
  ])
})

test('a route whose protocols earlier ones take one by one can never be reached', (t) => {
  const written = rules(
    { sni: ['*.example'], alpn: ['h2'], pool: 'a' },
    { sni: ['*.example'], alpn: ['http/1.1'], pool: 'b' },
    { sni: ['*.example'], alpn: ['h2', 'http/1.1'], pool: 'c' },
    { sni: ['*.example'], alpn: ['h2', 'smtp'], pool: 'd' },
  )
  t.deepEqual(unreachable(written), [{ route: 2, name: 0, why: { kind: 'taken', by: 1 } }])
})

test('a name that is in a route twice, and one that is an address', (t) => {
  const written = rules({ sni: ['a.example', 'a.example', '192.0.2.1', '::1'], pool: 'a' })
  t.deepEqual(unreachable(written), [
    { route: 0, name: 1, why: { kind: 'taken', by: 0 } },
    { route: 0, name: 2, why: { kind: 'address' } },
    { route: 0, name: 3, why: { kind: 'address' } },
  ])
})

test('routes without names hide each other and nobody else', (t) => {
  const written = rules(
    { alpn: ['h2'], pool: 'a' },
    { sni: ['*.example'], alpn: ['h2'], pool: 'b' },
    { alpn: ['h2'], pool: 'c' },
  )
  t.deepEqual(unreachable(written), [{ route: 2, name: null, why: { kind: 'taken', by: 0 } }])
})

test('what is said to be unreachable is reached by nobody, and everything else by somebody', (t) => {
  const offers = [[], ['h2'], ['http/1.1'], ['x'], ['h2', 'http/1.1'], ['h2', 'x'], ['http/1.1', 'x']]
  fc.assert(
    fc.property(anyRules, (written) => {
      const dead = unreachable(written)
      // `d` is in no exact name, so it is what only a wildcard takes.
      const names = written.flatMap(({ sni }) => sni.map((pattern) => pattern.replace('*', 'd')))
      const reached = new Set(
        [...names, 'nobody'].flatMap((name) => offers.map((offer) => bySearch(written, name, offer))),
      )
      return written.every(({ sni, pool }, i) => {
        const lost = dead.filter(({ route }) => route === i).length
        return reached.has(pool) === lost < Math.max(1, sni.length)
      })
    }),
    { numRuns: 500 },
  )
  t.pass()
})
