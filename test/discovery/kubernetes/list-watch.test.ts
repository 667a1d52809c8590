import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { addresses, Bench, counts, slice } from './bench.ts'

/** After the first failure: 800 ms, and half of it again (the bench's random is 0.5). */
const firstPauseMs = 1200
/** A watch that has stood so long has worked: what ends it is no reason to wait. */
const steadyMs = 5000
/** What is asked of the server: between 5 and 10 minutes. */
const watchMs = 450_000

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
  bench.clock.advance(steadyMs)
  bench.server.breakWatches('', 'reset')
  await bench.until(() => bench.asked.length === 2 + 3 + 1 && bench.listening)
  t.deepEqual(
    bench.server.asked.slice(2, 5).map(({ query }) => {
      const { limit, resourceVersion, resourceVersionMatch, continue: next } = query
      return `${limit} ${resourceVersion !== undefined} ${resourceVersionMatch} ${next !== undefined}`
    }),
    ['500 true NotOlderThan false', '500 false undefined true', '500 false undefined true'],
  )
  bench.clock.advance(1000)
  t.is(addresses(source).length, 1100)
})

test('a watch whose time is over is taken up where it was, at once, and a bookmark moves that on', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.server.elsewhere(7)
  await bench.pass(source, watchMs)
  const at = bench.server.revision
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
  bench.clock.advance(watchMs)
  bench.server.endWatches()
  await bench.until(() => bench.asked.length === 3)
  t.is(bench.asked[2], `watch ${bench.server.revision}`)
})

test('a version that has expired comes as an error inside a 200, and what is newest is listed at once', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  const before = bench.server.revision
  await bench.pass(source, watchMs)
  bench.server.set({ ...slice('other', ['10.0.9.9']), metadata: { name: 'other' } })
  bench.server.forget()
  bench.server.endWatches()
  await bench.until(() => bench.asked.length === 5 && bench.listening)
  t.deepEqual(bench.asked.slice(2), [`watch ${before}`, `list ${before}`, `watch ${before + 1}`])
  t.deepEqual(addresses(source), ['10.0.0.1:8000'])
  t.is(bench.clock.pending, 1, 'only the silence of the watch is awaited')
  t.is(bench.log.lines.length, 1)
})

test('a server that calls its own list too old is not asked in a circle, and the log says so once', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.log.take()
  for (const [i, ms] of [firstPauseMs, 2 * firstPauseMs, 3750].entries()) {
    bench.server.failWatches(410, 'Expired')
    await bench.failed(source, 'expired', i + 1)
    t.is(bench.asked.length, 2 + 2 * i)
    bench.clock.advance(ms - 1)
    t.is(bench.asked.length, 2 + 2 * i)
    bench.clock.advance(1)
    await bench.until(() => bench.asked.length === 4 + 2 * i && bench.listening)
  }
  const server = `https://127.0.0.1:${bench.server.port}`
  t.deepEqual(bench.log.take(), [
    `warn pool web: service default/kong cannot be watched at ${server}: status 410: the test says so; it keeps 1 endpoint: 10.0.0.1:8000`,
  ])
  t.like(source.answer, { failing: { reason: 'status 410: the test says so' } })
  await bench.pass(source, 60_000)
  t.is(bench.log.lines.length, 1)
  t.regex(bench.log.lines[0] ?? '', /is followed again after/)
  t.like(source.answer, { failing: null })
})

test('a server that restarts: reset, refused, forbidden; the endpoints stay, and then the newest are there', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  const before = bench.server.revision
  bench.clock.advance(steadyMs)
  await bench.server.crash()
  await bench.failed(source, 'connection', 2)
  t.like(source.answer, { failing: { sinceMs: steadyMs, reason: 'connection refused' } })
  bench.clock.advance(firstPauseMs)
  await bench.failed(source, 'connection', 3)
  t.deepEqual(addresses(source), ['10.0.0.1:8000'])
  bench.server.mood = { kind: 'refuse', code: 403, retryAfterSeconds: null }
  await bench.server.revive()
  bench.clock.advance(2 * firstPauseMs)
  await bench.failed(source, 'forbidden')
  t.deepEqual(addresses(source), ['10.0.0.1:8000'])
  bench.server.mood = { kind: 'serve' }
  bench.server.set(slice('kong-a', ['10.0.0.2']))
  bench.clock.advance(firstPauseMs)
  await bench.until(() => bench.listening)
  t.deepEqual(addresses(source), ['10.0.0.2:8000'])
  t.deepEqual(bench.asked.slice(-2), [`list ${before}`, `watch ${before + 2}`])
  t.like(source.answer, { failing: null })
  const server = `https://127.0.0.1:${bench.server.port}`
  t.deepEqual(bench.log.take(), [
    'info pool web: service default/kong has 1 endpoint: 10.0.0.1:8000',
    `warn pool web: service default/kong cannot be followed at ${server}: connection refused; it keeps 1 endpoint: 10.0.0.1:8000`,
    `warn pool web: service default/kong cannot be followed at ${server}: status 403: the test says so; it keeps 1 endpoint: 10.0.0.1:8000`,
    'info pool web: service default/kong is followed again after 9.8s',
  ])
})

test('a change while the server restarts is not missed, however quiet the rest of the cluster is', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  for (let i = 0; i < 3; i++) {
    bench.clock.advance(steadyMs)
    await bench.server.crash()
    bench.server.set(slice('kong-a', [`10.0.1.${i}`]))
    await bench.server.revive()
    await bench.until(() => {
      if (!bench.listening && bench.clock.pending > 0) bench.clock.advance(100)
      return bench.listening && addresses(source).includes(`10.0.1.${i}:8000`)
    })
  }
  t.true((bench.asked.length - 2) / 3 <= 12, `${bench.asked}`)
})

test('a watch that has worked and is cut is followed by a list at once, eight times in a row', async (t) => {
  for (const how of ['end', 'reset'] as const) {
    const bench = await Bench.start(t)
    bench.server.set(slice('kong-a', ['10.0.0.1']))
    const source = await bench.watching(t)
    for (let i = 0; i < 8; i++) {
      bench.clock.advance(10_000)
      bench.server.breakWatches('', how)
      await bench.until(() => bench.asked.length === 4 + 2 * i && bench.listening)
      bench.server.set(slice('kong-a', [`10.0.1.${i}`]))
      await bench.until(() => addresses(source).includes(`10.0.1.${i}:8000`))
    }
    t.deepEqual(counts(source), { connection: 8 }, how)
    t.is(bench.log.take().length, 1, how)
  }
})

test('watches that are cut as soon as they begin cost five seconds at most', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  for (let i = 0; i < 8; i++) {
    bench.server.breakWatches('', 'reset')
    await bench.failed(source, 'connection', i + 1)
    bench.clock.advance(5000)
    await bench.until(() => bench.asked.length === 4 + 2 * i && bench.listening)
  }
  t.pass()
})

test('a watch that is refused does not keep lists from telling what is so', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  bench.server.watchable = false
  const source = bench.source()
  t.teardown(() => source.stop())
  await bench.failed(source, 'forbidden')
  bench.server.set(slice('kong-a', ['10.0.0.2']))
  bench.clock.advance(firstPauseMs)
  await bench.failed(source, 'forbidden', 2)
  t.deepEqual(addresses(source), ['10.0.0.2:8000'])
  t.is(bench.log.take().filter((line) => line.includes('cannot be watched')).length, 1)
})

test('half a line at the end of a stream is nothing: the watch goes on before it', async (t) => {
  for (const how of ['end', 'reset'] as const) {
    const bench = await Bench.start(t)
    bench.server.set(slice('kong-a', ['10.0.0.1']))
    const source = await bench.watching(t)
    const before = bench.server.revision
    bench.clock.advance(steadyMs)
    bench.server.breakWatches(
      '{"type":"DELETED","object":{"metadata":{"name":"kong-a","resourceVersion":"9',
      how,
    )
    await bench.until(() => bench.asked.length === 4 && bench.listening)
    t.deepEqual(bench.asked.slice(2), [`list ${before}`, `watch ${before}`], how)
    t.deepEqual(counts(source), { connection: 1 }, how)
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

test('after one bookmark, silence for 100 s is a stall: the newest is listed at once', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.server.bookmark()
  await bench.until(() => bench.awaitedMs === 100_000)
  bench.clock.advance(99_999)
  t.deepEqual(counts(source), {})
  bench.clock.advance(1)
  await bench.until(() => bench.asked.length === 4 && bench.listening)
  t.deepEqual(bench.asked.slice(2), ['list', `watch ${bench.server.revision}`])
  t.deepEqual(counts(source), { stalled: 1 })
  t.regex(bench.log.lines.at(-1) ?? '', /is followed again after 100s/)
})

test('etcd is restored from a backup: the version of the future is left as soon as the server refuses it', async (t) => {
  const bench = await Bench.start(t, { revision: 5000 })
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.clock.advance(steadyMs)
  await bench.server.crash()
  await bench.failed(source, 'connection', 2)
  bench.server.restore(300)
  bench.server.set(slice('kong-a', ['10.0.0.2']))
  await bench.server.revive()
  bench.clock.advance(firstPauseMs)
  await bench.until(() => bench.asked.length === 5 && bench.listening)
  t.deepEqual(bench.asked.slice(2), ['list 5001', 'list', 'watch 302'])
  t.deepEqual(addresses(source), ['10.0.0.2:8000'])
  t.deepEqual(counts(source), { connection: 2, ahead: 1 })
})

test('a watch of a version of the future is silent; a list leads out of it', async (t) => {
  const bench = await Bench.start(t, { revision: 5000 })
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  await bench.pass(source, watchMs)
  bench.server.restore(300)
  bench.server.endWatches()
  await bench.until(() => bench.asked.length === 3 && bench.listening)
  bench.server.set(slice('kong-a', ['10.0.0.2']))
  t.is(bench.asked[2], 'watch 5001')
  bench.clock.advance(100_000)
  await bench.until(() => bench.asked.length === 5 && bench.listening)
  t.deepEqual(bench.asked.slice(3), ['list', 'watch 301'])
  t.deepEqual(addresses(source), ['10.0.0.2:8000'])
})

test('without any bookmark, silence is a stall half a minute after the end that was asked for', async (t) => {
  const bench = await Bench.start(t)
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  t.is(bench.server.asked[1]?.query.timeoutSeconds, '450')
  bench.clock.advance(479_999)
  t.deepEqual(counts(source), {})
  bench.clock.advance(1)
  await bench.until(() => bench.asked.length === 4 && bench.listening)
  t.deepEqual(counts(source), { stalled: 1 })
})

test('a watch that ends without a word is no proof of anything: list again', async (t) => {
  const bench = await Bench.start(t)
  const source = await bench.watching(t)
  bench.clock.advance(watchMs)
  bench.server.endWatches()
  await bench.until(() => bench.asked.length === 4 && bench.listening)
  t.is(bench.asked[2], 'list')
  t.deepEqual(counts(source), { stalled: 1 })
})

test('watches that end at once are not asked for in a circle', async (t) => {
  const bench = await Bench.start(t)
  const source = await bench.watching(t)
  bench.server.endWatches()
  await bench.failed(source, 'short-watch')
  t.is(bench.asked.length, 2)
  bench.clock.advance(firstPauseMs)
  await bench.until(() => bench.asked.length === 4 && bench.listening)
  bench.server.bookmark()
  bench.server.endWatches()
  await bench.failed(source, 'connection')
  t.is(bench.asked.length, 4)
})

test('a list of a version of the future is refused after a while, and asked for without one', async (t) => {
  const bench = await Bench.start(t, { revision: 5000 })
  bench.server.set(slice('kong-a', ['10.0.0.1']))
  const source = await bench.watching(t)
  bench.server.restore(300)
  bench.server.failWatches(410, 'Expired')
  await bench.failed(source, 'expired')
  bench.server.set(slice('kong-a', ['10.0.0.2']))
  bench.clock.advance(firstPauseMs)
  await bench.until(() => bench.asked.length === 5 && bench.listening)
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
  t.is(bench.asked.length, 1)
  bench.clock.advance(19_999)
  t.is(bench.clock.pending, 1)
  bench.server.mood = { kind: 'serve' }
  bench.clock.advance(1)
  await bench.until(() => bench.listening)
  t.is(bench.asked.length, 3)
})

test('refusals in a row: 800 ms, doubled, 5 s at most for two minutes, then 30 s; each and half of it again', async (t) => {
  const bench = await Bench.start(t)
  bench.server.mood = { kind: 'refuse', code: 503, retryAfterSeconds: null }
  const source = bench.source()
  t.teardown(() => source.stop())
  const soon = new Array<number>(32).fill(3750)
  for (const [i, ms] of [1200, 2400, ...soon, 22_500, 22_500].entries()) {
    await bench.failed(source, 'refused', i + 1)
    bench.clock.advance(ms - 1)
    t.is(bench.clock.pending, 1, `${ms} ms`)
    bench.clock.advance(1)
  }
  await bench.failed(source, 'refused', 37)
  t.is(bench.log.lines.length, 1)
})

test('a server that is away is asked every few seconds for ever, and begins anew when it answers', async (t) => {
  const bench = await Bench.start(t)
  await bench.server.crash()
  const source = bench.source()
  t.teardown(() => source.stop())
  for (let i = 0; i < 60; i++) {
    await bench.failed(source, 'connection', i + 1)
    bench.clock.advance(5_000)
  }
  await bench.failed(source, 'connection', 61)
  bench.server.mood = { kind: 'refuse', code: 403, retryAfterSeconds: null }
  await bench.server.revive()
  bench.clock.advance(5_000)
  await bench.failed(source, 'forbidden')
  bench.server.mood = { kind: 'serve' }
  bench.clock.advance(firstPauseMs)
  await bench.until(() => bench.listening)
  t.pass()
})

for (const [name, body, reason] of [
  [
    'an API server that expects TLS',
    'Client sent an HTTP request to an HTTPS server.\n',
    'the URL says http, but the server speaks https',
  ],
  ['a line of text', 'no healthy upstream', 'no healthy upstream'],
  ['a page', '<html><h1>Bad</h1></html>', 'no reason given'],
  ['nothing', '', 'no reason given'],
] as const) {
  test(`a refusal that is no Status: ${name}`, async (t) => {
    const bench = await Bench.start(t)
    const server = createServer((_, response) => response.writeHead(400).end(body))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    bench.api = bench.connect({ server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    const source = bench.source()
    t.teardown(async () => {
      source.stop()
      await bench.api.close()
      server.close()
    })
    await bench.failed(source, 'refused')
    t.like(source.answer, { reason: `cannot be asked for: status 400: ${reason}` })
  })
}

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
  t.deepEqual(counts(source), {})
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
