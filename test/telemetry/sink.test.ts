import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { openSink } from '../../src/telemetry/sink.ts'

const line = (n: number) => `${String(n).padStart(6, '0')} ${'x'.repeat(92)}\n` // 100 bytes

/** A named pipe with a reader that reads only when told; the writing end blocks, as an inherited stdout does. */
function pipe(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-sink-'))
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, constants.O_WRONLY)
  t.teardown(() => {
    closeSync(reader)
    closeSync(writer)
    rmSync(folder, { recursive: true })
  })
  return { path, writer, read: () => readAll(reader) }
}

function readAll(reader: number): string {
  const chunk = Buffer.alloc(1 << 20)
  try {
    return chunk.toString('latin1', 0, readSync(reader, chunk))
  } catch {
    return '' // EAGAIN: empty
  }
}

async function readUntil(read: () => string, done: (text: string) => boolean): Promise<string> {
  const deadline = performance.now() + 30_000
  let text = ''
  while (!done(text) && performance.now() < deadline) {
    text += read()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return text
}

test('a line is written before write() returns', (t) => {
  const { writer, read } = pipe(t)
  const sink = openSink({ destination: writer, maxBufferedBytes: 1000 })
  sink.write('one\n')
  t.is(read(), 'one\n')
  sink.close()
})

test('a reader that stalls blocks nothing, bounds memory, and costs exactly the lines that are counted', async (t) => {
  const { writer, read } = pipe(t)
  const sink = openSink({ destination: writer, maxBufferedBytes: 50_000 })
  const total = 20_000
  const start = performance.now()
  for (let n = 0; n < total; n++) sink.write(line(n))
  t.true(performance.now() - start < 10_000) // a wait of a millisecond at each would be 20 s
  const kept = total - sink.dropped()
  t.true(kept * 100 <= 65_536 + 50_000 + 100, `${kept} lines kept`)
  t.true(kept * 100 >= 65_536, `${kept} lines kept`)

  const text = await readUntil(read, (all) => all.includes('dropped here'))
  sink.write('after\n')
  const rest = await readUntil(read, (all) => all.includes('after\n'))
  const lines = `${text}${rest}`.trimEnd().split('\n')
  t.is(lines.pop(), 'after')
  const mark = JSON.parse(lines.pop() ?? '')
  t.like(mark, {
    level: 'warn',
    msg: `${total - kept} log lines dropped here: the reader is too slow`,
    dropped: total - kept,
  })
  t.is(`${lines.join('\n')}\n`, Array.from({ length: kept }, (_, n) => line(n)).join(''))
  t.is(sink.dropped(), total - kept)
  sink.close()
})

test('each gap is marked where it is, with as many lines as are missing there', async (t) => {
  const { writer, read } = pipe(t)
  const sink = openSink({ destination: writer, maxBufferedBytes: 50_000 })
  let text = ''
  for (let n = 0; n < 6_000; n++) {
    sink.write(line(n))
    if (n % 2_000 === 1_999) text += await readUntil(read, (all) => all.includes('dropped here'))
  }
  sink.write('last\n')
  text += await readUntil(read, (all) => all.includes('last\n'))
  let next = 0
  let gaps = 0
  for (const each of text.trimEnd().split('\n')) {
    if (each === 'last') continue
    if (each.startsWith('{')) {
      next += JSON.parse(each).dropped
      gaps++
    } else t.is(Number(each.slice(0, 6)), next++)
  }
  t.is(next, 6_000)
  t.is(gaps, 3)
  sink.close()
})

test('lines of two writers do not mix while the pipe is full', async (t) => {
  const { writer, read } = pipe(t)
  const sink = openSink({ destination: writer, maxBufferedBytes: 1 << 20 })
  const batch = Array.from({ length: 70 }, (_, n) => line(n)).join('')
  for (let round = 0; round < 20; round++) {
    sink.write(batch, 70)
    sink.write('program\n')
  }
  t.is(sink.dropped(), 0)
  const expected = `${batch}program\n`.repeat(20)
  t.is(await readUntil(read, (all) => all.length >= expected.length), expected)
  sink.close()
})

test('close() gives up on a stalled reader in bounded time and counts what is lost', (t) => {
  const { writer } = pipe(t)
  const sink = openSink({ destination: writer, maxBufferedBytes: 50_000 })
  for (let n = 0; n < 1_000; n++) sink.write(line(n))
  const before = sink.dropped()
  const start = performance.now()
  sink.close()
  t.true(performance.now() - start < 1_000)
  t.true(sink.dropped() > before)
  const closed = sink.dropped()
  sink.write('late\n')
  t.is(sink.dropped(), closed + 1)
})

test('a pipe without a reader keeps its lines for the next one', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-sink-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const first = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  const sink = openSink({ destination: writer, maxBufferedBytes: 50_000 })
  t.teardown(() => {
    sink.close()
    closeSync(writer)
  })
  closeSync(first)
  sink.write('nobody reads this now\n')
  const second = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  t.teardown(() => closeSync(second))
  t.is(
    await readUntil(
      () => readAll(second),
      (all) => all.includes('\n'),
    ),
    'nobody reads this now\n',
  )
  t.is(sink.dropped(), 0)
})

test('a file is appended to', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-sink-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'log')
  for (const text of ['one\n', 'two\n']) {
    const destination = openSync(file, 'a')
    const sink = openSink({ destination, maxBufferedBytes: 1_000 })
    sink.write(text)
    sink.close()
    closeSync(destination)
  }
  t.is(readFileSync(file, 'utf8'), 'one\ntwo\n')
})

const program = `
  import { openSink } from ${JSON.stringify(new URL('../../src/telemetry/sink.ts', import.meta.url).href)}
  const sink = openSink({ destination: 1, maxBufferedBytes: 100_000 })
  for (let n = 0; n < 20_000; n++) sink.write('x'.repeat(99) + '\\n')
  sink.close()
  console.error(sink.dropped() > 0 ? 'dropped' : 'all written')
  process.exit(0)
`

test('a process whose stdout is a stalled socket still exits', async (t) => {
  // Node gives a child a socket, as the journal does; nobody reads it here.
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.pause()
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += String(chunk)
  })
  const late = setTimeout(() => child.kill('SIGKILL'), 30_000)
  const over = once(child, 'close') // after 'exit': all that it said is here
  const [code] = await once(child, 'exit')
  clearTimeout(late)
  child.stdout.destroy()
  await over
  t.is(code, 0)
  t.is(said, 'dropped\n')
})

test('a process whose stdout is a stalled pipe still exits', async (t) => {
  const { path } = pipe(t)
  const stalled = openSync(path, constants.O_WRONLY)
  t.teardown(() => closeSync(stalled))
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', stalled, 'pipe'],
  })
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said += String(chunk)
  })
  const late = setTimeout(() => child.kill('SIGKILL'), 30_000)
  const [code] = await once(child, 'close')
  clearTimeout(late)
  t.is(code, 0)
  t.is(said, 'dropped\n')
})
