import test from 'ava'
import fc from 'fast-check'
import { parseHosts } from '../../../src/discovery/dns/hosts-file.ts'
import { candidates, parseResolvConf } from '../../../src/discovery/dns/resolv-conf.ts'

const parse = (text: string, env = {}, hostName = 'host') => parseResolvConf(text, env, hostName)

test('an empty file is what the resolver of the C library makes of it', (t) => {
  t.deepEqual(parse(''), {
    servers: ['127.0.0.1'],
    search: [],
    ndots: 1,
    timeoutMs: 2000,
    attempts: 2,
    ipv6: true,
  })
  t.deepEqual(parse('', {}, 'node-1.example.net').search, ['example.net'])
})

test("a Pod's file is read", (t) => {
  const conf = parse(`# comment
search web.svc.cluster.local svc.cluster.local. Cluster.LOCAL .
nameserver 10.96.0.10
nameserver fd00::a   # the other one
nameserver nonsense
nameserver 127.0.0.1:5353
nameserver 1.1.1.1
options ndots:5 timeout:1 attempts:3 no-aaaa unknown
`)
  t.deepEqual(conf, {
    servers: ['10.96.0.10', 'fd00::a', '127.0.0.1:5353'],
    search: ['web.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
    ndots: 5,
    timeoutMs: 1000,
    attempts: 3,
    ipv6: false,
  })
})

test('the last of `search` and `domain` wins, and the environment over both', (t) => {
  t.deepEqual(parse('search a b\ndomain c').search, ['c'])
  t.deepEqual(parse('domain c\nsearch a b').search, ['a', 'b'])
  const env = { LOCALDOMAIN: 'x y', RES_OPTIONS: 'ndots:3' }
  t.like(parse('search a\noptions ndots:2', env), { search: ['x', 'y'], ndots: 3 })
})

test('numbers have the bounds of the C library, and what is none is left out', (t) => {
  t.like(parse('options ndots:99 timeout:99 attempts:99'), { ndots: 15, timeoutMs: 30_000, attempts: 5 })
  t.like(parse('options ndots: timeout:x attempts:-1'), { ndots: 1, timeoutMs: 2000, attempts: 2 })
  t.like(parse('options timeout:0 attempts:0'), { timeoutMs: 2000, attempts: 2 })
})

test('a name with too few dots is tried in the domains first, others after them', (t) => {
  const conf = { search: ['a.test', 'test'], ndots: 2 }
  t.deepEqual(candidates('gw', conf), ['gw.a.test', 'gw.test', 'gw'])
  t.deepEqual(candidates('gw.b.c', conf), ['gw.b.c', 'gw.b.c.a.test', 'gw.b.c.test'])
  t.deepEqual(candidates('gw.', conf), ['gw'])
  t.deepEqual(candidates(`${'a.'.repeat(120)}gw`, conf).length, 3)
  t.deepEqual(candidates(`${'a.'.repeat(124)}gw`, conf).length, 1)
})

test('all lines of a name in the hosts file count, and only those', (t) => {
  const hosts = parseHosts(`
127.0.0.1 localhost
::ffff:10.0.0.5\tNode-2.Internal node-2 # node-3
2001:DB8::5 node-2.internal.
fe80::1%eth0 node-2
not-an-address node-2
`)
  t.deepEqual(hosts.get('node-2.internal'), ['10.0.0.5', '2001:db8::5'])
  t.deepEqual(hosts.get('node-2'), ['10.0.0.5'])
  t.is(hosts.get('node-3'), undefined)
})

test('no text makes either reader fail', (t) => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom('nameserver', 'search', 'domain', 'options ndots:', '10.0.0.5 a', 'options'),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
      const conf = parse(lines.join('\n'))
      parseHosts(lines.join('\n'))
      return conf.servers.length > 0 && conf.attempts > 0 && conf.timeoutMs > 0
    }),
  )
  t.pass()
})
