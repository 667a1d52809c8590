import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { formatAddress } from '../../src/core/address.ts'
import { fileSource } from '../../src/discovery/file-source.ts'
import type { Source } from '../../src/discovery/source.ts'
import { FakeClock, RecordedLog } from '../control/fixture.ts'

/** A source on a real file; only the time between looks is the test's. */
class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'spliceway-'))
  readonly path = join(this.folder, 'gateways.yaml')
  readonly clock = new FakeClock()
  readonly log = new RecordedLog()
  readonly #started: { source: Source | null; wake: () => void } = { source: null, wake: () => {} }
  changes = 0

  constructor(t: ExecutionContext) {
    t.teardown(() => {
      this.#started.source?.stop()
      rmSync(this.folder, { recursive: true })
      if (this.clock.pending !== 0) throw new Error('a stopped source has a timer')
    })
  }

  async start(): Promise<void> {
    const { path } = this
    this.#started.source = fileSource(
      'web',
      { kind: 'file', path, allowSpecial: false },
      {
        log: this.log,
        nowMs: this.clock.nowMs,
        random: () => 0,
        changed: () => this.changes++,
        after: (ms, fire) => {
          const cancel = this.clock.after(ms, fire)
          this.#started.wake()
          return cancel
        },
      },
    )
    await this.source.first
  }

  get source(): Source {
    const { source } = this.#started
    if (source === null) throw new Error('start() first')
    return source
  }

  /** Two looks: one that sees a change, one that reads it. */
  async settle(): Promise<void> {
    await this.look()
    await this.look()
  }

  async look(): Promise<void> {
    const over = new Promise<void>((resolve) => {
      this.#started.wake = resolve
    })
    this.clock.advance(500)
    await over
  }

  endpoints(): string {
    const { answer } = this.source
    if (answer.kind === 'none') return answer.reason
    return answer.endpoints.map(({ address }) => formatAddress(address)).join(' ')
  }

  /** As an editor or a ConfigMap does it not: in place. */
  write(text: string): void {
    writeFileSync(this.path, text)
  }
}

test('the list is known at once', async (t) => {
  const bench = new Bench(t)
  bench.write('- 10.0.0.5:80\n')
  await bench.start()
  t.is(bench.endpoints(), '10.0.0.5:80')
  t.is(bench.changes, 1)
})

test('a file that is renamed over the old one is read, once', async (t) => {
  const bench = new Bench(t)
  bench.write('- 10.0.0.5:80\n')
  await bench.start()
  writeFileSync(`${bench.path}.new`, '- 10.0.0.6:80\n')
  renameSync(`${bench.path}.new`, bench.path)
  await bench.settle()
  await bench.settle()
  t.is(bench.endpoints(), '10.0.0.6:80')
  t.is(bench.changes, 2)
})

test('the swap of a ConfigMap is a change like any other', async (t) => {
  const bench = new Bench(t)
  const put = (time: string, text: string): void => {
    mkdirSync(join(bench.folder, time))
    writeFileSync(join(bench.folder, time, 'gateways.yaml'), text)
    symlinkSync(time, join(bench.folder, '..data_tmp'))
    renameSync(join(bench.folder, '..data_tmp'), join(bench.folder, '..data'))
  }
  put('..1', '- 10.0.0.5:80\n')
  symlinkSync('..data/gateways.yaml', bench.path)
  await bench.start()
  put('..2', '- 10.0.0.6:80\n')
  await bench.settle()
  t.is(bench.endpoints(), '10.0.0.6:80')
})

test('a file that cannot be used shows since when and why, and is counted once', async (t) => {
  const bench = new Bench(t)
  bench.write('- 10.0.0.5:80\n')
  await bench.start()
  t.like(bench.source.answer, { failing: null })
  bench.write('- 10.0.0.5:80\n- nonsense')
  await bench.settle()
  await bench.settle()
  t.like(bench.source.answer, { failing: { sinceMs: 1000, reason: 'is no list of endpoints' } })
  rmSync(bench.path)
  await bench.look()
  t.like(bench.source.answer, { failing: { sinceMs: 1000 } })
  t.deepEqual(
    [...bench.source.failures],
    [
      ['unreadable', 1],
      ['malformed', 1],
    ],
  )
  bench.write('[]\n')
  await bench.settle()
  t.like(bench.source.answer, { failing: null, emptiness: { text: 'its list is empty' } })
})

test('half a file is never used: while it grows it is not read', async (t) => {
  const bench = new Bench(t)
  bench.write('- 10.0.0.5:80\n- 10.0.0.6:80\n')
  await bench.start()
  let text = ''
  for (const line of ['- 10.0.0.7:80\n', '- 10.0.0.8:80\n', '- 10.0.0.9:80\n']) {
    text += line
    bench.write(text) // each look sees another size
    await bench.look()
    t.is(bench.endpoints(), '10.0.0.5:80 10.0.0.6:80')
  }
  await bench.look()
  t.is(bench.endpoints(), '10.0.0.7:80 10.0.0.8:80 10.0.0.9:80')
  t.is(bench.changes, 2)
})

test('a bad file changes nothing and is logged once with its place; so is its recovery', async (t) => {
  const bench = new Bench(t)
  bench.write('- 10.0.0.5:80\n')
  await bench.start()
  bench.write('- 10.0.0.6:80\n- 10.0.0.7\n')
  for (let i = 0; i < 3; i++) await bench.settle()
  t.is(bench.endpoints(), '10.0.0.5:80')
  t.is(bench.changes, 1)
  t.like(bench.source.answer, { confirmedMs: 0 })
  const [line = '', ...more] = bench.log.take()
  t.deepEqual(more, [])
  t.true(
    line.startsWith(
      `error pool web: file ${bench.path} is no list of endpoints, the endpoints stay as they are:\n`,
    ),
  )
  t.true(line.includes(`--> ${bench.path}:2:3\n`))
  bench.write('- 10.0.0.6:80\n')
  await bench.settle()
  t.is(bench.endpoints(), '10.0.0.6:80')
  t.deepEqual(bench.log.take(), [`info pool web: file ${bench.path} is good again`])
})

test('a file that is removed keeps the endpoints, and its age grows; it ages no more when it is back', async (t) => {
  const bench = new Bench(t)
  bench.write('- 10.0.0.5:80\n')
  await bench.start()
  await bench.look()
  t.like(bench.source.answer, { confirmedMs: 500 })
  rmSync(bench.path)
  await bench.settle()
  t.is(bench.endpoints(), '10.0.0.5:80')
  t.like(bench.source.answer, { confirmedMs: 500 })
  t.regex(bench.log.take().join(), /cannot be read .*, the endpoints stay as they are/)
  bench.write('- 10.0.0.5:80\n')
  await bench.settle()
  t.like(bench.source.answer, { confirmedMs: bench.clock.nowMs() })
  t.is(bench.changes, 1)
})

test('a file that is not there yet is taken when it comes', async (t) => {
  const bench = new Bench(t)
  await bench.start()
  t.regex(bench.endpoints(), /cannot be read/)
  bench.write('[]')
  await bench.settle()
  t.is(bench.endpoints(), '')
  t.is(bench.changes, 1)
})

test('what is no file, and what is larger than a list can be, is not read', async (t) => {
  const bench = new Bench(t)
  mkdirSync(bench.path)
  await bench.start()
  t.is(bench.endpoints(), 'is not a file')
  rmSync(bench.path, { recursive: true })
  bench.write(' '.repeat(4 * 1024 * 1024 + 1))
  await bench.settle()
  t.is(bench.endpoints(), 'is larger than 4 MiB')
})
