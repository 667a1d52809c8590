import test from 'ava'
import { Transparency, wayBackOf } from '../../src/control/transparency.ts'
import { formatIp, type SocketAddress } from '../../src/core/address.ts'
import type { FirstAnswer } from '../../src/core/way-back.ts'
import { address, endpoint, pool } from '../core/balance-fixture.ts'
import { FakeClock, RecordedLog } from './fixture.ts'

const here = [
  { device: 'lo', address: '127.0.0.1' },
  { device: 'lo', address: '::1' },
  { device: 'eth0', address: '10.0.0.200' },
  { device: 'eth1', address: 'fd00::200' },
] as const
const silent: FirstAnswer = { kind: 'silent' }

function scene() {
  const clock = new FakeClock()
  const log = new RecordedLog()
  const asked: string[] = []
  const state: { client: FirstAnswer; plain: FirstAnswer } = { client: silent, plain: silent }
  const ask = (to: SocketAddress, from: SocketAddress | null): Promise<FirstAnswer> => {
    asked.push(`${formatIp(to)} from ${from === null ? 'here' : formatIp(from)}`)
    return Promise.resolve(from === null ? state.plain : state.client)
  }
  const transparency = new Transparency({ log, after: clock.after, ask, hostAddresses: () => here })
  return { clock, log, asked, state, ask, transparency }
}

/** Everything that resolves by itself has. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const from = (text: string): FirstAnswer => ({ kind: 'answered', local: address(text, 40_000) })

test('what is missing is said once, asked again, and said when it is there', async (t) => {
  const { clock, log, state, transparency } = scene()
  state.plain = from('10.0.0.200')
  transparency.update([{ ...pool('p2c', [endpoint(5)]), transparent: true }])
  await settled()
  const [said, ...more] = log.take()
  t.regex(said ?? '', /^error pool web: endpoint 10\.0\.0\.5:80: it answers this host, and not/)
  t.regex(
    said ?? '',
    /: ip rule add iif eth0 from 10\.0\.0\.5 ipproto tcp sport 80 lookup 100; ip route add local/,
  )
  t.deepEqual(more, [])
  for (let i = 0; i < 3; i++) {
    clock.advance(5_000)
    await settled()
  }
  t.deepEqual(log.take(), [])
  state.client = from('192.0.2.1')
  clock.advance(5_000)
  await settled()
  t.deepEqual(log.take(), [
    "info pool web: endpoint 10.0.0.5:80: its answers to clients' addresses come back now",
  ])
  clock.advance(60_000)
  await settled()
  t.deepEqual(log.take(), [])
  transparency.stop()
})

test('nobody is asked for a pool that is not transparent, and each endpoint of one that is once', async (t) => {
  const { asked, state, transparency } = scene()
  state.client = from('192.0.2.1')
  const web = pool('p2c', [endpoint(5), endpoint(6, { address: address('fd00::6', 80) })])
  transparency.update([web])
  await settled()
  t.deepEqual(asked, [])
  transparency.update([{ ...web, transparent: true }])
  transparency.update([{ ...web, transparent: true }])
  await settled()
  t.deepEqual(asked, ['10.0.0.5 from 192.0.2.1', 'fd00::6 from 2001:db8::1'])
})

test('of an endpoint that answers nobody nothing is said, and one that left is not asked again', async (t) => {
  const { clock, log, asked, transparency } = scene()
  const web = { ...pool('p2c', [endpoint(5)]), transparent: true }
  transparency.update([web])
  await settled()
  clock.advance(5_000)
  await settled()
  t.is(asked.length, 4, 'as a client and as this host, twice')
  transparency.update([{ ...web, endpoints: [] }])
  clock.advance(60_000)
  await settled()
  t.is(asked.length, 4)
  t.deepEqual(log.take(), [])
})

test('the rule is for the device that the answers come in by, or lo on this host', async (t) => {
  const { ask, state } = scene()
  const ruleOf = async (to: string, local: string): Promise<string> => {
    state.plain = from(local)
    const found = await wayBackOf(address(to, 443), ask, () => here)
    return found.kind === 'missing' ? (found.rules[0] ?? []).slice(0, -6).join(' ') : found.kind
  }
  t.is(await ruleOf('127.0.0.5', '127.0.0.1'), 'ip rule add iif lo from 127.0.0.5')
  t.is(await ruleOf('10.0.0.200', '10.0.0.200'), 'ip rule add iif lo from 10.0.0.200')
  t.is(await ruleOf('10.0.0.7', '10.0.0.200'), 'ip rule add iif eth0 from 10.0.0.7')
  t.is(await ruleOf('::1', '::1'), 'ip -6 rule add iif lo from ::1')
  t.is(await ruleOf('fd00::7', 'fd00::200'), 'ip -6 rule add iif eth1 from fd00::7')
  t.is(
    await ruleOf('10.0.0.7', '10.9.9.9'),
    'ip rule add iif DEVICE from 10.0.0.7',
    'an address that just left',
  )
})

test('who may not ask as a client knows nothing', async (t) => {
  const { ask, state, asked } = scene()
  state.client = { kind: 'failed', code: 'EPERM' }
  state.plain = from('10.0.0.200')
  t.deepEqual(await wayBackOf(address('10.0.0.7', 443), ask, () => here), { kind: 'forbidden' })
  t.is(asked.length, 1)
})
