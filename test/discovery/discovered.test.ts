import test from 'ava'
import type { Config, DiscoveryConfig } from '../../src/config/config.ts'
import { socketAddress } from '../../src/core/address.ts'
import { Discovered } from '../../src/discovery/discovered.ts'
import type { SourceRequest } from '../../src/discovery/open-source.ts'
import type { ResolvedPool } from '../../src/discovery/resolved-pool.ts'
import { type Answer, type Source, unconfirmed } from '../../src/discovery/source.ts'
import { FakeClock, poolConfig, RecordedLog } from '../control/fixture.ts'

const none = { apiServer: null, kubeconfig: null, node: null, zone: null, snapshots: null }

/** A source that says what the test says. */
class ToldSource implements Source {
  answer: Answer = { kind: 'none', reason: 'is being asked', sinceMs: 0 }
  readonly first: Promise<void>
  readonly failures = new Map<string, number>([['lookup', 0]])
  stopped = false
  settle = () => {}
  readonly #changed: () => void

  constructor(changed: () => void) {
    this.#changed = changed
    this.first = new Promise((resolve) => {
      this.settle = resolve
    })
  }

  say(...ips: readonly string[]): void {
    const endpoints = ips.flatMap((ip) => {
      const address = socketAddress(ip, 80)
      return address === undefined ? [] : [{ address, name: 'pod', priority: 0, weight: 1 }]
    })
    const emptiness = endpoints.length > 0 ? null : ({ kind: 'gone', text: 'its list is empty' } as const)
    this.tell({ kind: 'known', endpoints, emptiness, confirmedMs: 0, failing: null })
    this.settle()
  }

  tell(answer: Answer): void {
    this.answer = answer
    this.#changed()
  }

  stop(): void {
    this.stopped = true
  }
}

class Bench {
  readonly clock = new FakeClock()
  readonly log = new RecordedLog()
  readonly sources: ToldSource[] = []
  readonly requests: SourceRequest[] = []
  changes = 0
  readonly discovered = new Discovered(
    async (request, { changed }) => {
      const source = new ToldSource(changed)
      this.requests.push(request)
      this.sources.push(source)
      return source
    },
    {
      log: this.log,
      after: this.clock.after,
      nowMs: this.clock.nowMs,
      random: () => 0,
      changed: () => {
        this.changes++
        this.pool() // as Endpoints does: an answer is looked at when somebody asks
      },
    },
  )

  async update(discovery: DiscoveryConfig | null, kubernetes: Config['kubernetes'] = none): Promise<void> {
    const before = [this.pool()]
    this.discovered.update({ pools: [poolConfig({ discovery })], kubernetes }, before)
    await Promise.resolve() // the code of a source is loaded
  }

  source(index: number): ToldSource {
    const source = this.sources[index]
    if (source === undefined) throw new Error(`there is no source ${index}`)
    return source
  }

  pool(): ResolvedPool {
    return this.discovered.fill({ config: poolConfig(), endpoints: [], unresolved: [] })
  }

  ids(): string {
    return this.pool()
      .endpoints.map(({ id }) => id)
      .join(' ')
  }
}

const file: DiscoveryConfig = { kind: 'file', path: '/a.yaml', allowSpecial: false }
const service: DiscoveryConfig = {
  kind: 'kubernetes',
  namespace: 'default',
  service: 'gw',
  port: 'http',
  locality: 'any',
  allowSpecial: false,
}

test('a pool that lists its endpoints is left alone', async (t) => {
  const bench = new Bench()
  await bench.update(null)
  const pool = { config: poolConfig(), endpoints: [], unresolved: [] }
  t.is(bench.discovered.fill(pool), pool)
  t.is(bench.discovered.status('web'), null)
  t.is(bench.sources.length, 0)
})

test('a pool whose source has not answered shows the source, and why', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  bench.clock.advance(1500)
  t.like(bench.pool().unresolved[0], { endpoint: 'file /a.yaml', reason: 'is being asked', sinceMs: 0 })
  t.like(bench.discovered.status('web'), { source: 'file /a.yaml', state: 'none', ageMs: 1500, endpoints: 0 })
})

test('an answer becomes the pool’s endpoints and is told; its age is shown', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  bench.source(0).say('10.0.0.5', '10.0.0.6')
  t.is(bench.ids(), '10.0.0.5:80 10.0.0.6:80')
  t.deepEqual(bench.pool().unresolved, [])
  t.is(bench.changes, 1)
  bench.clock.advance(700)
  t.like(bench.discovered.status('web'), { state: 'known', ageMs: 700, endpoints: 2 })
})

test('a valid answer that is empty empties the pool, and the log says what it replaced', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  bench.source(0).say('10.0.0.5', '10.0.0.6')
  bench.source(0).say()
  t.is(bench.ids(), '')
  t.deepEqual(bench.log.take(), [
    'warn pool web: file /a.yaml has no endpoint any more: its list is empty; it had 10.0.0.5:80, 10.0.0.6:80',
  ])
})

test('an emptiness is one line: how it began, and no more unless something turns out to be wrong', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  const empty = (kind: 'gone' | 'fault', text: string) =>
    bench.source(0).tell({
      kind: 'known',
      endpoints: [],
      emptiness: { kind, text },
      confirmedMs: 0,
      failing: null,
    })
  bench.source(0).say('10.0.0.5')
  empty('gone', 'none is ready')
  empty('gone', 'no Pod is there')
  t.like(bench.discovered.status('web'), { state: 'known', reason: 'no Pod is there', endpoints: 0 })
  empty('fault', 'it has no EndpointSlices')
  empty('fault', 'it has no EndpointSlices')
  bench.source(0).say('10.0.0.5')
  t.like(bench.discovered.status('web'), { reason: '', endpoints: 1 })
  empty('gone', 'none is ready')
  t.deepEqual(bench.log.take(), [
    'warn pool web: file /a.yaml has no endpoint any more: none is ready; it had 10.0.0.5:80',
    'warn pool web: file /a.yaml has no endpoint: it has no EndpointSlices',
    'warn pool web: file /a.yaml has no endpoint any more: none is ready; it had 10.0.0.5:80',
  ])
})

test('a source that fails shows since when and why, and what failed how often', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  bench.source(0).say('10.0.0.5')
  const { answer } = bench.source(0)
  bench.clock.advance(1000)
  bench.source(0).failures.set('lookup', 3)
  bench.source(0).tell(unconfirmed(unconfirmed(answer, 'no answer', 400), 'refused', 700))
  t.like(bench.discovered.status('web'), {
    state: 'known',
    failing: { reason: 'refused', forMs: 600 },
    failures: { lookup: 3 },
    ageMs: 1000,
    endpoints: 1,
  })
})

test('special addresses are refused and logged once each; others of the same answer are used', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  for (let i = 0; i < 3; i++) bench.source(0).say('127.0.0.1', '10.0.0.5', '169.254.169.254')
  t.is(bench.ids(), '10.0.0.5:80')
  t.deepEqual(bench.log.take(), [
    'warn pool web: file /a.yaml says 127.0.0.1:80, which is refused because it is loopback; `allowSpecial: true` accepts it',
    'warn pool web: file /a.yaml says 169.254.169.254:80, which is refused because it is link-local; `allowSpecial: true` accepts it',
  ])
})

test('an answer of special addresses alone takes nothing away', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  bench.source(0).say('10.0.0.5')
  bench.source(0).say('0.0.0.0')
  t.is(bench.ids(), '10.0.0.5:80')
})

test('allowSpecial accepts them', async (t) => {
  const bench = new Bench()
  await bench.update({ ...file, allowSpecial: true })
  bench.source(0).say('127.0.0.1', 'fe80::1')
  t.is(bench.ids(), '127.0.0.1:80 [fe80::1]:80')
  t.deepEqual(bench.log.take(), [])
})

test('no more than a hundred refusals are logged', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  bench.source(0).say(...Array.from({ length: 300 }, (_, i) => `127.0.${i % 250}.${1 + (i >> 3)}`))
  t.is(bench.log.take().length, 100)
})

test('a reload keeps a source whose configuration stays', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  bench.source(0).say('10.0.0.5')
  await bench.update({ ...file })
  t.is(bench.sources.length, 1)
  t.false(bench.source(0).stopped)
  t.is(bench.ids(), '10.0.0.5:80')
})

test('a source that is replaced is stopped, and what it knew stands until the next one answers', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  bench.source(0).say('10.0.0.5')
  await bench.update({ ...file, path: '/b.yaml' })
  t.true(bench.source(0).stopped)
  t.is(bench.ids(), '10.0.0.5:80')
  bench.source(0).say('10.9.9.9') // late: nobody listens
  t.is(bench.ids(), '10.0.0.5:80')
  bench.source(1).say('10.0.0.6')
  t.is(bench.ids(), '10.0.0.6:80')
})

test('what Kubernetes pools share starts those anew, and no other', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  await bench.update(file, { ...none, node: 'a' })
  t.is(bench.sources.length, 1)
  await bench.update(service, { ...none, node: 'a' })
  await bench.update(service, { ...none, node: 'b' })
  t.is(bench.sources.length, 3)
  t.is(bench.requests.at(-1)?.kubernetes.node, 'b')
})

test('a pool that leaves ends its source', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  bench.discovered.update({ pools: [], kubernetes: none }, [])
  t.true(bench.source(0).stopped)
})

test('stop ends a source whose code was still being loaded', async (t) => {
  const bench = new Bench()
  bench.discovered.update({ pools: [poolConfig({ discovery: file })], kubernetes: none }, [])
  bench.discovered.stop()
  await Promise.resolve()
  await Promise.resolve()
  t.true(bench.source(0).stopped)
})

test('a source that cannot be opened is an error in the log and a reason in the status', async (t) => {
  const clock = new FakeClock()
  const log = new RecordedLog()
  const discovered = new Discovered(() => Promise.reject(new Error('no API server is known')), {
    log,
    after: clock.after,
    nowMs: clock.nowMs,
    random: () => 0,
    changed: () => t.fail(),
  })
  discovered.update({ pools: [poolConfig({ discovery: service })], kubernetes: none }, [])
  await discovered.first()
  t.deepEqual(log.take(), [
    'error pool web: kubernetes default/gw http cannot be asked: no API server is known',
  ])
  t.like(discovered.status('web'), { state: 'none', reason: 'cannot be asked: no API server is known' })
})

test('an address that is found twice is one endpoint, at its better priority', async (t) => {
  const bench = new Bench()
  await bench.update(file)
  const address = socketAddress('10.0.0.5', 80)
  if (address === undefined) return t.fail()
  const endpoints = [2, 1, 3].map((priority) => ({ address, name: null, weight: 1, priority }))
  bench.source(0).tell({ kind: 'known', confirmedMs: 0, endpoints, emptiness: null, failing: null })
  t.deepEqual(
    bench.pool().endpoints.map(({ id, priority }) => `${id} ${priority}`),
    ['10.0.0.5:80 1'],
  )
})
