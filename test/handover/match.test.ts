import test from 'ava'
import { listenFds } from '../../src/handover/listen-fds.ts'
import { match } from '../../src/handover/match.ts'

const v4 = { host: '0.0.0.0', port: 80, v6Only: false }
const dual = { host: '::', port: 80, v6Only: false }
const v6 = { host: '::', port: 80, v6Only: true }
const all = { key: '[::]:80', host: '::', port: 80 }
const ipv4 = { key: '0.0.0.0:80', host: '0.0.0.0', port: 80 }

for (const [claim, wanted, passed, matched, unmatched] of [
  ['the same address is its listener', [ipv4], [v4], { '0.0.0.0:80': [v4] }, []],
  ['two sockets of one address are both served', [ipv4], [v4, { ...v4 }], { '0.0.0.0:80': [v4, v4] }, []],
  ['[::] is a dual-stack socket', [all], [dual], { '[::]:80': [dual] }, []],
  ['[::] is also an IPv6-only socket and an IPv4 one', [all], [v4, v6], { '[::]:80': [v6, v4] }, []],
  ['[::] is not an IPv6-only socket alone', [all], [v6], {}, [v6]],
  ['[::] is not an IPv4 socket alone', [all], [v4], {}, [v4]],
  ['another port is nobody’s', [all], [{ ...dual, port: 81 }], {}, [{ ...dual, port: 81 }]],
  ['another address is nobody’s', [ipv4], [{ ...v4, host: '127.0.0.1' }], {}, [{ ...v4, host: '127.0.0.1' }]],
  ['nothing passed is nothing matched', [all, ipv4], [], {}, []],
] as const) {
  test(claim, (t) => {
    const result = match<(typeof passed)[number]>(wanted, passed)
    t.deepEqual(Object.fromEntries(result.matched), matched)
    t.deepEqual(result.unmatched, [...unmatched])
  })
}

test('a socket goes to one listener', (t) => {
  const { matched } = match([all, { ...all, key: 'again' }], [dual])
  t.deepEqual([...matched.keys()], ['[::]:80'])
})

for (const [claim, env, numbers] of [
  ['descriptors begin at 3', { LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'http:https' }, [3, 4]],
  ['names are optional', { LISTEN_PID: '7', LISTEN_FDS: '1' }, [3]],
  ['those of another process are not ours', { LISTEN_PID: '8', LISTEN_FDS: '1' }, []],
  ['without a pid there are none', { LISTEN_FDS: '1' }, []],
  ['a number that is none is none', { LISTEN_PID: '7', LISTEN_FDS: '-1' }, []],
  ['no variables, no descriptors', {}, []],
] as const) {
  test(`socket activation: ${claim}`, (t) => {
    t.deepEqual(
      listenFds(env, 7).map(({ n }) => n),
      [...numbers],
    )
  })
}

test('socket activation: a descriptor has its name', (t) => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'http' }
  t.deepEqual(listenFds(env, 7), [
    { n: 3, name: 'http' },
    { n: 4, name: 'unknown' },
  ])
})
