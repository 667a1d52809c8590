import test from 'ava'
import { Received } from '../../../src/discovery/kubernetes/received.ts'
import { Bench, slice } from './bench.ts'

const path = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'

/** What the stand-in answers to a list: its version and the names in it, or how it refuses. */
async function list(bench: Bench, query: Readonly<Record<string, string>>): Promise<string> {
  const { status, body } = await bench.api.get(path, query, new AbortController().signal)
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  const answer = new Received(JSON.parse(Buffer.concat(chunks).toString()), 'answer')
  if (status !== 200) return `${status} ${answer.get('message').text()}`
  const version = answer.get('metadata').get('resourceVersion').text()
  const names = answer
    .get('items')
    .list()
    .map((item) => item.get('metadata').get('name').text())
  const next = answer.get('metadata').get('continue').textOr('')
  return `${version} ${names.join()}${next === '' ? '' : ` then ${next}`}`
}

/** Versions 101, a; 102, b; 103, c, without a. */
async function scene(t: Parameters<typeof Bench.start>[0]): Promise<Bench> {
  const bench = await Bench.start(t, { revision: 100 })
  bench.server.set(slice('a', ['10.0.0.1']))
  bench.server.set(slice('b', ['10.0.0.2']))
  bench.server.delete('a')
  bench.server.set(slice('c', ['10.0.0.3']))
  return bench
}

test('the stand-in lists as kube-apiserver 1.36 does', async (t) => {
  const bench = await scene(t)
  const limit = '500'
  const match = 'NotOlderThan'
  t.is(await list(bench, {}), '104 b,c')
  t.is(await list(bench, { limit, resourceVersion: '0' }), '104 b,c')
  t.is(await list(bench, { limit, resourceVersion: '102' }), '102 a,b', 'exact, as it was')
  t.is(await list(bench, { resourceVersion: '102' }), '104 b,c', 'without a limit: not older')
  t.is(await list(bench, { limit, resourceVersion: '102', resourceVersionMatch: match }), '104 b,c')
  t.is(await list(bench, { resourceVersion: '101', resourceVersionMatch: 'Exact' }), '101 a')
  bench.server.compact()
  t.regex(await list(bench, { limit, resourceVersion: '102' }), /^410 .*too old/)
  t.is(await list(bench, { limit, resourceVersion: '102', resourceVersionMatch: match }), '104 b,c')
  t.regex(await list(bench, { limit, resourceVersion: '999' }), /^504 .*Too large resource version: 999/)
})

test('the stand-in pages as kube-apiserver 1.36 does', async (t) => {
  const bench = await scene(t)
  const notOlder = { resourceVersion: '102', resourceVersionMatch: 'NotOlderThan' }
  const first = await list(bench, { limit: '1', ...notOlder })
  const next = first.replace('104 b then ', '')
  bench.server.delete('c')
  t.is(await list(bench, { limit: '1', continue: next }), '104 c', 'of the version of the first page')
  t.is(await list(bench, { limit: '1', resourceVersion: '0' }), '105 b')
  t.regex(await list(bench, { continue: next, resourceVersion: '102' }), /^400 .*when using continue/)
  t.regex(await list(bench, { continue: next, ...notOlder }), /^422 .*forbidden when continue is provided/)
  t.regex(await list(bench, { resourceVersionMatch: 'NotOlderThan' }), /^422 .*unless resourceVersion/)
  bench.server.compact()
  t.regex(await list(bench, { limit: '1', continue: next }), /^410 .*continue parameter is too old/)
})

test('the stand-in refuses what kube-apiserver refuses in a slice, and stores the rest as it does', async (t) => {
  const { server } = await Bench.start(t)
  const bad: readonly (readonly [object, RegExp])[] = [
    [{ endpoints: [{ addresses: ['127.0.0.1'] }] }, /may not be in the loopback range/],
    [{ endpoints: [{ addresses: ['169.254.169.254'] }] }, /may not be in the link-local range/],
    [{ endpoints: [{ addresses: ['224.0.0.1'] }] }, /may not be in the link-local multicast range/],
    [{ endpoints: [{ addresses: ['0.0.0.0'] }] }, /may not be unspecified/],
    [{ endpoints: [{ addresses: ['fd00::1'] }] }, /must be a valid IPv4 address/],
    [{ endpoints: [{ addresses: [] }] }, /must contain at least 1 address/],
    [{ addressType: 'IPv5' }, /addressType: Unsupported value/],
    [{ ports: [{ name: 'a' }, { name: 'a' }] }, /ports\[1\]\.name: Duplicate value/],
  ]
  for (const [changes, message] of bad) t.throws(() => server.set(slice('x', [], changes)), { message })
  server.set(slice('x', []))
  t.throws(() => server.set(slice('x', [], { addressType: 'IPv6' })), { message: /field is immutable/ })
})
