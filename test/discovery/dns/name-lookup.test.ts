import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type LookedUp, nameLookup } from '../../../src/discovery/dns/name-lookup.ts'
import { openQuery } from '../../../src/discovery/dns/query.ts'
import { type DnsReply, DnsServer, type DnsServerOptions } from '../../helpers/dns-server.ts'

const a = (...addresses: string[]): DnsReply =>
  addresses.map((address) => ({ type: address.includes(':') ? 'AAAA' : 'A', address, ttl: 60 }) as const)

/** A lookup with files and a name server of its own; the clock of the files is the test's. */
async function bench(
  t: ExecutionContext,
  replies: Readonly<Record<string, DnsReply>> = {},
  { conf = '', hosts = '', tcp }: { conf?: string; hosts?: string; tcp?: DnsServerOptions['tcp'] } = {},
) {
  const server = await DnsServer.start(tcp === undefined ? {} : { tcp })
  for (const [question, reply] of Object.entries(replies)) server.replies.set(question, reply)
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-'))
  const files = { hosts: join(folder, 'hosts'), resolvConf: join(folder, 'resolv.conf') }
  const clock = { nowMs: 0 }
  const write = (path: string, text: string): void => {
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
    clock.nowMs += 10_000
  }
  const configure = (text: string, address = server.address): void =>
    write(files.resolvConf, `nameserver ${address}\noptions timeout:1 attempts:1\n${text}\n`)
  configure(conf)
  write(files.hosts, hosts)
  const lookup = nameLookup({
    open: openQuery,
    after: (ms, fire) => {
      const timer = setTimeout(fire, ms)
      return () => clearTimeout(timer)
    },
    nowMs: () => clock.nowMs,
    env: {},
    hostName: 'host',
    files,
  })
  t.teardown(async () => {
    lookup.stop()
    await server.close()
    rmSync(folder, { recursive: true })
  })
  return { server, lookup, configure, hosts: (text: string) => write(files.hosts, text) }
}

/** `10.0.0.5 2001:db8::5`, `10.0.0.5 (6 is silent)`, or the reason. */
function said(answer: LookedUp): string {
  if (answer.kind === 'failed') return answer.reason
  const silent = answer.silent === null ? '' : ` (${answer.silent} is silent)`
  return `${answer.addresses.join(' ')}${silent}`
}

test('both families of a name are found, in an order that does not change', async (t) => {
  const { lookup } = await bench(t, {
    'gw.test A': a('10.0.0.6', '10.0.0.5'),
    'gw.test AAAA': a('2001:db8::6', '2001:db8::5'),
  })
  t.is(said(await lookup.addresses('gw.test')), '10.0.0.5 10.0.0.6 2001:db8::5 2001:db8::6')
})

test('the hosts file comes first, and a change of it is noticed', async (t) => {
  const { lookup, server, hosts } = await bench(
    t,
    { 'gw.test A': a('10.0.0.5') },
    { hosts: '10.0.0.9 GW.test' },
  )
  t.is(said(await lookup.addresses('gw.test')), '10.0.0.9')
  t.deepEqual(server.asked, [])
  hosts('0.0.0.0 gw.test')
  t.is(said(await lookup.addresses('gw.test')), 'the hosts file says 0.0.0.0')
  hosts('')
  t.is(said(await lookup.addresses('gw.test')), '10.0.0.5')
})

test('no name server is asked for localhost', async (t) => {
  const { lookup, server } = await bench(t)
  t.is(said(await lookup.addresses('localhost')), '127.0.0.1 ::1')
  t.is(said(await lookup.addresses('a.localhost.')), '127.0.0.1 ::1')
  t.deepEqual(server.asked, [])
})

test('search domains are tried as resolv.conf says, and a broken zone does not end it', async (t) => {
  const { lookup, server } = await bench(
    t,
    { 'gw.a.test A': 'SERVFAIL', 'gw.b.test A': [], 'gw.b.test AAAA': [], 'gw.c.test A': a('10.0.0.5') },
    { conf: 'search a.test b.test c.test\noptions no-aaaa' },
  )
  t.is(said(await lookup.addresses('gw')), '10.0.0.5')
  t.deepEqual(server.asked, ['gw.a.test A', 'gw.b.test A', 'gw.c.test A'])
  t.is(said(await lookup.addresses('gx')), 'the name does not exist (NXDOMAIN)')
  t.is(said(await lookup.addresses('gw.')), 'the name does not exist (NXDOMAIN)')
})

test('a server that fails is named before the domains in which the name is not', async (t) => {
  const { lookup } = await bench(t, { 'gw.a.test A': 'SERVFAIL' }, { conf: 'search a.test b.test' })
  t.is(said(await lookup.addresses('gw')), 'the name server failed (SERVFAIL)')
})

test('one family that is never answered for does not hold up the other', async (t) => {
  const { lookup } = await bench(t, { 'gw.test A': a('10.0.0.5'), 'gw.test AAAA': 'silence' })
  t.is(said(await lookup.addresses('gw.test')), '10.0.0.5 (6 is silent)')
  const mirror = await bench(t, { 'gw.test A': 'SERVFAIL', 'gw.test AAAA': a('2001:db8::5') })
  t.is(said(await mirror.lookup.addresses('gw.test')), '2001:db8::5 (4 is silent)')
})

test('a family that the name has not is believed to be none', async (t) => {
  const { lookup } = await bench(t, { 'gw.test A': a('10.0.0.5') })
  t.is(said(await lookup.addresses('gw.test')), '10.0.0.5')
})

test('no name waits for another: a hundred dead ones beside a living one', async (t) => {
  const replies = { 'gw.test A': a('10.0.0.5'), 'gw.test AAAA': [] }
  const { lookup, server } = await bench(t, replies, { conf: 'options timeout:20' })
  const dead = Array.from({ length: 100 }, (_, i) => `dead-${i}.test`)
  for (const name of dead) for (const type of ['A', 'AAAA']) server.replies.set(`${name} ${type}`, 'silence')
  let over = 0
  for (const name of dead) void lookup.addresses(name).then(() => over++)
  t.is(said(await lookup.addresses('gw.test')), '10.0.0.5')
  t.is(over, 0)
})

test('a stop ends what is under way', async (t) => {
  const { lookup, server } = await bench(t, { 'gw.test A': 'silence', 'gw.test AAAA': 'silence' })
  const asked = lookup.addresses('gw.test')
  while (server.asked.length < 2) await new Promise((turn) => setImmediate(turn))
  lookup.stop()
  t.is((await asked).kind, 'failed')
  t.is((await lookup.addresses('gw.test')).kind, 'failed')
})

test('an answer to another question is none', async (t) => {
  const { lookup } = await bench(t, { 'gw.test A': 'lie', 'gw.test AAAA': 'lie' })
  t.is(said(await lookup.addresses('gw.test')), 'no name server answers')
})

test('an answer that is nobody is none, beside others it is left out, and the search ends with it', async (t) => {
  const { lookup } = await bench(
    t,
    {
      'blocked.test A': a('0.0.0.0'),
      'blocked.test AAAA': a('::'),
      'gw.test A': a('255.255.255.255', '127.0.0.2', '224.0.0.1'),
    },
    { conf: 'search other.test' },
  )
  t.is(said(await lookup.addresses('blocked.test')), 'the answer is 0.0.0.0 (unspecified), :: (unspecified)')
  t.is(said(await lookup.addresses('gw.test')), '127.0.0.2')
})

const many = Array.from({ length: 60 }, (_, i) => `10.0.1.${i}`)

test('an answer that does not fit into UDP comes by TCP', async (t) => {
  const { lookup, server } = await bench(t, { 'gw.test A': a(...many), 'gw.test AAAA': [] })
  const answer = await lookup.addresses('gw.test')
  t.is(answer.kind === 'found' && answer.addresses.length, 60)
  t.true(server.asked.includes('gw.test A (tcp)'))
})

for (const [tcp, reason] of [
  ['refused', 'no name server is there, or the answer does not fit into UDP and TCP is refused'],
  ['silent', 'no name server answers'],
] as const) {
  test(`half an answer is none when TCP is ${tcp}`, async (t) => {
    const { lookup } = await bench(t, { 'gw.test A': a(...many), 'gw.test AAAA': [] }, { tcp })
    t.regex(said(await lookup.addresses('gw.test')), new RegExp(`^${reason}`))
  })
}

test('a resolv.conf that changes is used from the next lookup on', async (t) => {
  const { lookup, configure } = await bench(t, { 'gw.test A': a('10.0.0.5') })
  const other = await DnsServer.start()
  t.teardown(() => other.close())
  other.replies.set('gw.test A', a('10.0.0.6'))
  t.is(said(await lookup.addresses('gw.test')), '10.0.0.5')
  configure('', other.address)
  t.is(said(await lookup.addresses('gw.test')), '10.0.0.6')
})

test('the second name server is asked when the first is silent or gone', async (t) => {
  const { lookup, server, configure } = await bench(t, { 'gw.test A': 'silence', 'gw.test AAAA': 'silence' })
  const other = await DnsServer.start()
  t.teardown(() => other.close())
  other.replies.set('gw.test A', a('10.0.0.6'))
  configure(`nameserver ${other.address}`, server.address)
  t.is(said(await lookup.addresses('gw.test')), '10.0.0.6')
  configure(`nameserver ${other.address}`, '127.0.0.1:1')
  t.is(said(await lookup.addresses('gw.test')), '10.0.0.6')
})
