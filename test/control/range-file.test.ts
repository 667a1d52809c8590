import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { RangeFile } from '../../src/control/range-file.ts'
import { parseIp } from '../../src/core/address.ts'
import { covers } from '../../src/core/ranges.ts'
import { FakeClock, RecordedLog } from './fixture.ts'

/** A list in a real file; only the time between looks is the test's. */
class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'spliceway-'))
  readonly path = join(this.folder, 'list.txt')
  readonly clock = new FakeClock()
  readonly log = new RecordedLog()
  changes = 0
  #wake = (): void => {}
  #file: RangeFile | null = null

  constructor(t: ExecutionContext) {
    t.teardown(() => {
      this.#file?.stop()
      rmSync(this.folder, { recursive: true })
      if (this.clock.pending !== 0) throw new Error('a stopped file has a timer')
    })
  }

  async start(text: string | null, mayBeEmpty = true): Promise<RangeFile> {
    if (text !== null) this.write(text)
    this.#file = new RangeFile('listener edge: deny', this.path, mayBeEmpty, {
      log: this.log,
      changed: () => this.changes++,
      after: (ms, fire) => {
        const cancel = this.clock.after(ms, fire)
        this.#wake()
        return cancel
      },
    })
    await this.#file.first
    return this.#file
  }

  write(text: string): void {
    writeFileSync(this.path, text)
  }

  /** Two looks: one that sees a change, one that reads it. */
  async settle(): Promise<void> {
    for (let look = 0; look < 2; look++) {
      const over = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.clock.advance(500)
      await over
    }
  }

  has(ip: string): boolean {
    const address = parseIp(ip)
    const ranges = this.#file?.ranges
    return address !== undefined && ranges !== undefined && ranges !== null && covers(ranges, address)
  }
}

test('the list is known at once, without a word', async (t) => {
  const bench = new Bench(t)
  const file = await bench.start('10.0.0.0/8\n')
  t.true(bench.has('10.0.0.1'))
  t.is(file.fault, null)
  t.deepEqual([bench.changes, bench.log.take()], [0, []])
})

test('a changed list is in use at the next look but one', async (t) => {
  const bench = new Bench(t)
  await bench.start('10.0.0.0/8\n')
  bench.write('192.0.2.0/24\n192.0.2.0/25\n')
  await bench.settle()
  t.deepEqual([bench.has('10.0.0.1'), bench.has('192.0.2.1'), bench.changes], [false, true, 1])
  t.deepEqual(bench.log.take(), [
    `info listener edge: deny: file ${bench.path} is another one: 1 ranges from 2 lines`,
  ])
})

test('the swap of a ConfigMap is a change like any other', async (t) => {
  const bench = new Bench(t)
  const put = (time: string, text: string): void => {
    mkdirSync(join(bench.folder, time))
    writeFileSync(join(bench.folder, time, 'list.txt'), text)
    symlinkSync(time, join(bench.folder, '..data_tmp'))
    renameSync(join(bench.folder, '..data_tmp'), join(bench.folder, '..data'))
  }
  put('..1', '10.0.0.0/8\n')
  symlinkSync('..data/list.txt', bench.path)
  await bench.start(null)
  put('..2', '192.0.2.0/24\n')
  await bench.settle()
  t.deepEqual([bench.has('10.0.0.1'), bench.has('192.0.2.1')], [false, true])
})

test('a file that vanishes, cannot be read or is no list leaves the last good one, and is logged once each', async (t) => {
  const bench = new Bench(t)
  const file = await bench.start('10.0.0.0/8\n')
  rmSync(bench.path)
  await bench.settle()
  await bench.settle()
  t.true(bench.has('10.0.0.1'))
  t.truthy(file.fault)
  const [gone, ...more] = bench.log.take()
  t.regex(gone ?? '', /^error listener edge: deny: file \S+ cannot be read \(.*\), the last good list stays$/)
  t.deepEqual(more, [])
  bench.write('10.0.0.0/8\nnonsense\n')
  await bench.settle()
  await bench.settle()
  t.true(bench.has('10.0.0.1'))
  t.regex(
    bench.log.take().join('|'),
    /is no list of ranges, the last good list stays:\nerror: `nonsense`[\s\S]*list\.txt:2:1[\s\S]*$/,
  )
  bench.write('192.0.2.0/24\n')
  await bench.settle()
  t.deepEqual(
    [file.fault, bench.has('10.0.0.1'), bench.has('192.0.2.1'), bench.changes],
    [null, false, true, 1],
  )
  t.regex(bench.log.take().join('|'), /^info [^|]* is good again: 1 ranges from 1 lines$/)
})

test('a list that may not be empty keeps what it was', async (t) => {
  const bench = new Bench(t)
  const file = await bench.start('10.0.0.0/8\n', false)
  bench.write('# nobody\n')
  await bench.settle()
  t.true(bench.has('10.0.0.1'))
  t.regex(file.fault ?? '', /is empty/)
  t.is(bench.changes, 0)
})

test('a list that may be empty becomes empty', async (t) => {
  const bench = new Bench(t)
  const file = await bench.start('10.0.0.0/8\n')
  bench.write('')
  await bench.settle()
  t.deepEqual([bench.has('10.0.0.1'), file.fault, bench.changes], [false, null, 1])
})

test('without a first good list there is none, and it says why', async (t) => {
  for (const [text, why] of [
    [null, /cannot be read .* there is no list yet/],
    ['x', /is no list of ranges, there is no list yet:/],
    ['', /is empty, .* there is no list yet/],
  ] as const) {
    const bench = new Bench(t)
    const file = await bench.start(text, false)
    t.is(file.ranges, null)
    t.regex(bench.log.take().join('|'), why)
    t.truthy(file.fault)
  }
})

test('a range that is larger than it looks is taken, with a warning', async (t) => {
  const bench = new Bench(t)
  await bench.start('10.1.2.3/8\n')
  t.true(bench.has('10.9.9.9'))
  t.regex(bench.log.take().join('|'), /^warn [^|]*larger than they look:\nwarning: `10\.1\.2\.3\/8`/)
})
