import test from 'ava'
import { addresses, Bench, slice } from './bench.ts'

/** After the first failure: 800 ms, and half of it again (the bench's random is 0.5). */
const firstPauseMs = 1200

test('lists from the cache, then watches from the version of the list', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1', '10.0.0.2']))
  bench.server.set({ ...slice('other', ['10.0.9.9']), metadata: { name: 'other' } })
  const source = await bench.watching(t)
  t.deepEqual(addresses(source), ['10.0.0.1:8000', '10.0.0.2:8000'])
  t.deepEqual(bench.asked, ['list 0', `watch ${bench.server.revision}`])
  t.is(bench.changes, 1)
  t.is(bench.server.asked[1]?.query.labelSelector, 'kubernetes.io/service-name=kong')
})

test('slices that come, change and go are followed', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.server.set(slice('kong-b', ['10.0.0.2']))
  await bench.until(() => addresses(source).length === 2)
  bench.server.set(slice('kong-a', ['10.0.0.3']))
  await bench.until(() => addresses(source).includes('10.0.0.3:8000'))
  bench.server.delete('kong-b')
  await bench.until(() => addresses(source).length === 1)
  t.deepEqual(addresses(source), ['10.0.0.3:8000'])
  t.is(bench.changes, 4)
  t.is(bench.server.asked.length, 2)
})

test('a list in pages is taken whole', async (t) => {
  const bench = await Bench.start(t)
  const source = await bench.watching(t)
  const names = Array.from({ length: 1100 }, (_, i) => `kong-${i}`)
  for (const [i, name] of names.entries()) {
    bench.server.set(slice(name, [`10.1.${i >> 8}.${i & 255}`]))
  }
  await bench.until(() => addresses(source).length === 1100)
  // Only a list of the newest version comes in pages.
  bench.server.failWatches(500, 'InternalError')
  await bench.failed(source, 'refused')
  bench.clock.advance(firstPauseMs)
  await bench.until(() => bench.listening)
  bench.server.breakWatches('nonsense\n', 'end')
  await bench.failed(source, 'malformed')
  bench.clock.advance(2 * firstPauseMs)
  await bench.until(() => bench.asked.length === 6 + 1 && bench.listening)
  t.deepEqual(
    bench.server.asked.slice(3, 6).map(({ query }) => `${query.limit} ${query.continue !== undefined}`),
    ['500 false', '500 true', '500 true'],
  )
  t.is(addresses(source).length, 1100)
})

test('a watch whose time is over is taken up where it was, at once, and a bookmark moves that on', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  await bench.watching(t)
  bench.server.elsewhere(7)
  bench.server.bookmark()
  const at = bench.server.revision
  bench.clock.advance(1000)
  bench.server.endWatches()
  await bench.until(() => bench.asked.length === 3)
  t.is(bench.asked[2], `watch ${at}`)
  t.is(bench.log.lines.length, 1)
})

test('the version of a deleted slice counts too', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.server.delete('kong-a')
  await bench.until(() => addresses(source).length === 0)
  bench.clock.advance(1000)
  bench.server.endWatches()
  await bench.until(() => bench.asked.length === 3)
  t.is(bench.asked[2], `watch ${bench.server.revision}`)
})

test('a version that has expired comes as an error inside a 200, and is listed again at once', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  const before = bench.server.revision
  bench.server.bookmark()
  bench.server.elsewhere()
  bench.server.compact()
  bench.clock.advance(1000)
  bench.server.endWatches()
  await bench.until(() => bench.asked.length === 5)
  t.deepEqual(bench.asked.slice(2), [`watch ${before}`, `list ${before}`, `watch ${before + 1}`])
  t.deepEqual(addresses(source), ['10.0.0.1:8000'])
  t.is(bench.clock.pending, 1, 'only the silence of the watch is awaited')
})

test('a server that calls its own list too old is not asked in a circle', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.server.failWatches(410, 'Expired')
  await bench.failed(source, 'expired')
  t.is(bench.asked.length, 2)
  bench.clock.advance(firstPauseMs)
  await bench.until(() => bench.asked.length === 4)
  t.pass()
})

test('a server that restarts: reset, refused, forbidden, expired; the endpoints stay', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  const before = bench.server.revision
  await bench.server.crash()
  await bench.failed(source, 'connection', 1)
  bench.clock.advance(firstPauseMs)
  await bench.failed(source, 'connection', 2)
  t.deepEqual(addresses(source), ['10.0.0.1:8000'])
  bench.server.mood = { kind: 'refuse', code: 403, retryAfterSeconds: null }
  await bench.server.revive()
  bench.clock.advance(2 * firstPauseMs)
  await bench.failed(source, 'forbidden')
  t.deepEqual(addresses(source), ['10.0.0.1:8000'])
  bench.server.mood = { kind: 'serve' }
  bench.server.set(slice('kong-a', ['10.0.0.2']))
  bench.clock.advance(4 * firstPauseMs)
  await bench.until(() => bench.listening)
  t.deepEqual(addresses(source), ['10.0.0.2:8000'])
  t.deepEqual(bench.asked.slice(-3), [`watch ${before}`, `list ${before}`, `watch ${before + 2}`])
  const server = `https://127.0.0.1:${bench.server.port}`
  t.deepEqual(bench.log.take(), [
    'info pool web: service default/kong has 1 endpoint: 10.0.0.1:8000',
    `warn pool web: service default/kong cannot be followed at ${server}: connection refused; it keeps 1 endpoint: 10.0.0.1:8000`,
    `warn pool web: service default/kong cannot be followed at ${server}: status 403: the test says so; it keeps 1 endpoint: 10.0.0.1:8000`,
    'info pool web: service default/kong is followed again after 8.4s',
  ])
})

test('half a line at the end of a stream is nothing: the watch goes on before it', async (t) => {
  for (const how of ['end', 'reset'] as const) {
    const bench = await Bench.start(t)
    bench.server.set(slice('kong-a', ['10.0.0.1']))
    const source = await bench.watching(t)
    const before = bench.server.revision
    bench.clock.advance(5000)
    bench.server.breakWatches(
      '{"type":"DELETED","object":{"metadata":{"name":"kong-a","resourceVersion":"9',
      how,
    )
    await bench.failed(source, 'connection')
    bench.clock.advance(firstPauseMs)
    await bench.until(() => bench.listening)
    t.is(bench.asked.at(-1), `watch ${before}`, how)
    t.deepEqual(addresses(source), ['10.0.0.1:8000'], how)
    t.is(bench.log.take().length, 1, how)
  }
})

test('a whole event before nonsense counts, and the nonsense leads to a new list', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  const object = { ...slice('kong-b', ['10.0.0.2']), metadata: { name: 'kong-b', resourceVersion: '9' } }
  const event = JSON.stringify({ type: 'ADDED', object })
  bench.server.breakWatches(`${event}\n{"type":"ADDED","object":{"metadata":7}}\n`, 'end')
  await bench.failed(source, 'malformed')
  t.deepEqual(addresses(source), ['10.0.0.1:8000', '10.0.0.2:8000'])
  bench.clock.advance(firstPauseMs)
  await bench.until(() => bench.listening)
  t.is(bench.asked[2], 'list')
  t.deepEqual(addresses(source), ['10.0.0.1:8000'])
})

test('after one bookmark, silence for 100 s is a stall: a version of the future is left by a new list', async (t) => {
  const bench = await Bench.start(t, { revision: 5000 })
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.server.bookmark()
  await bench.until(() => bench.awaitedMs === 100_000)
  bench.clock.advance(1000)
  bench.server.restore(300)
  bench.server.endWatches()
  await bench.until(() => bench.asked.length === 3 && bench.listening)
  bench.server.set(slice('kong-a', ['10.0.0.2']))
  t.is(bench.asked[2], 'watch 5001')
  bench.clock.advance(99_000)
  t.is(source.report.failures.size, 0)
  bench.clock.advance(1_000)
  await bench.failed(source, 'stalled')
  t.deepEqual(addresses(source), ['10.0.0.1:8000'])
  bench.clock.advance(firstPauseMs)
  await bench.until(() => bench.listening)
  t.deepEqual(bench.asked.slice(3), ['list', 'watch 301'])
  t.deepEqual(addresses(source), ['10.0.0.2:8000'])
})

test('without any bookmark, silence is a stall half a minute after the end that was asked for', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  t.is(bench.server.asked[1]?.query.timeoutSeconds, '450')
  bench.clock.advance(479_999)
  t.is(source.report.failures.size, 0)
  bench.clock.advance(1)
  await bench.failed(source, 'stalled')
  t.pass()
})

test('a watch that ends without a word is no proof of anything: list again', async (t) => {
  const bench = await Bench.start(t)
  const source = await bench.watching(t)
  bench.clock.advance(450_000)
  bench.server.endWatches()
  await bench.failed(source, 'stalled')
  bench.clock.advance(firstPauseMs)
  await bench.until(() => bench.listening)
  t.is(bench.asked[2], 'list')
})

test('watches that end at once are not asked for in a circle', async (t) => {
  const bench = await Bench.start(t)
  const source = await bench.watching(t)
  bench.server.bookmark()
  bench.server.endWatches()
  await bench.failed(source, 'short-watch')
  t.is(bench.asked.length, 2)
})

test('a list of a version of the future is refused after a while, and asked for without one', async (t) => {
  const bench = await Bench.start(t, { revision: 5000 })
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.clock.advance(1000)
  bench.server.restore(300)
  bench.server.failWatches(410, 'Expired')
  await bench.failed(source, 'expired')
  bench.server.set(slice('kong-a', ['10.0.0.2']))
  bench.clock.advance(firstPauseMs)
  await bench.failed(source, 'ahead')
  t.deepEqual(addresses(source), ['10.0.0.1:8000'])
  bench.clock.advance(2 * firstPauseMs)
  await bench.until(() => bench.listening)
  t.deepEqual(bench.asked.slice(2), ['list 5001', 'list', 'watch 301'])
  t.deepEqual(addresses(source), ['10.0.0.2:8000'])
})

test('a token that is refused is read again from its file', async (t) => {
  const bench = await Bench.start(t, { tokens: ['next'] })
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = bench.source()
  t.teardown(() => source.stop())
  await bench.failed(source, 'unauthorized')
  t.like(source.answer, { kind: 'none', reason: 'cannot be asked for: status 401: Unauthorized' })
  bench.writeToken('')
  bench.clock.advance(firstPauseMs)
  await bench.failed(source, 'credentials')
  bench.writeToken('next')
  bench.clock.advance(2 * firstPauseMs)
  await bench.until(() => bench.listening)
  t.deepEqual(
    bench.server.asked.map(({ token }) => token),
    ['good', 'next', 'next'],
  )
})

test('429 with Retry-After: stays away for at least so long', async (t) => {
  const bench = await Bench.start(t)
  bench.server.mood = { kind: 'refuse', code: 429, retryAfterSeconds: 20 }
  const source = bench.source()
  t.teardown(() => source.stop())
  await bench.failed(source, 'throttled')
  bench.clock.advance(19_999)
  t.is(bench.clock.pending, 1)
  bench.server.mood = { kind: 'serve' }
  bench.clock.advance(1)
  await bench.until(() => bench.listening)
  t.is(bench.asked.length, 3)
})

test('failures in a row: 800 ms, doubled up to 30 s, and half of it again', async (t) => {
  const bench = await Bench.start(t)
  bench.server.mood = { kind: 'refuse', code: 503, retryAfterSeconds: null }
  const source = bench.source()
  t.teardown(() => source.stop())
  for (const [i, ms] of [1200, 2400, 4800, 9600, 19_200, 38_400, 45_000, 45_000].entries()) {
    await bench.failed(source, 'refused', i + 1)
    bench.clock.advance(ms - 1)
    t.is(bench.clock.pending, 1, `${ms} ms`)
    bench.clock.advance(1)
  }
  await bench.failed(source, 'refused', 9)
  t.is(bench.log.lines.length, 1)
})

test('a server that takes a request and says nothing is left after 30 s', async (t) => {
  const bench = await Bench.start(t)
  bench.server.mood = { kind: 'hang' }
  const source = bench.source()
  t.teardown(() => source.stop())
  await bench.until(() => bench.server.asked.length === 1)
  bench.clock.advance(30_000)
  await bench.failed(source, 'timeout')
  t.like(source.answer, { kind: 'none', reason: 'cannot be asked for: no list within 30s' })
})

for (const body of ['<html>log in</html>', '', '{}', '{"items":[]}', '{"kind":"List","apiVersion":"v1"}']) {
  test(`200 with \`${body}\` is no empty answer`, async (t) => {
    const bench = await Bench.start(t)
    bench.server.set(slice('kong-a', ['10.0.0.1']))
    const source = await bench.watching(t)
    bench.server.mood = { kind: 'babble', body }
    bench.server.failWatches(410, 'Expired')
    await bench.failed(source, 'expired')
    bench.clock.advance(firstPauseMs)
    await bench.failed(source, 'malformed')
    t.deepEqual(addresses(source), ['10.0.0.1:8000'])
    t.is(bench.changes, 1)
  })
}

test('stop ends the watch and its socket; nothing is called any more', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  source.stop()
  await bench.until(() => bench.server.watches === 0)
  bench.server.set(slice('kong-a', ['10.0.0.2']))
  t.is(bench.clock.pending, 0)
  t.is(bench.changes, 1)
  t.is(source.report.failures.size, 0)
})

test('stop during a pause and before the first answer ends those too', async (t) => {
  const bench = await Bench.start(t)
  bench.server.mood = { kind: 'refuse', code: 500, retryAfterSeconds: null }
  const paused = bench.source()
  await bench.failed(paused, 'refused')
  paused.stop()
  bench.server.mood = { kind: 'hang' }
  const asking = bench.source()
  await bench.until(() => bench.server.asked.length === 2)
  asking.stop()
  await asking.first
  await bench.until(() => bench.clock.pending === 0)
  t.pass()
})
