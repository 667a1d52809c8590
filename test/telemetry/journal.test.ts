import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { failureText, isJournal, withPriorities } from '../../src/telemetry/journal.ts'
import { openSink } from '../../src/telemetry/sink.ts'

function file(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-journal-'))
  const path = join(folder, 'out')
  const descriptor = openSync(path, 'a')
  t.teardown(() => {
    closeSync(descriptor)
    rmSync(folder, { recursive: true })
  })
  const { dev, ino } = fstatSync(descriptor)
  return { descriptor, stream: `${dev}:${ino}`, text: () => readFileSync(path, 'utf8') }
}

test('what is written to the journal carries its priority', (t) => {
  const { descriptor, stream, text } = file(t)
  const sink = openSink({ destination: descriptor, maxBufferedBytes: 1_000, journalStream: stream })
  sink.write('{"level":"error","msg":"a"}\n')
  sink.write('{"level":"warn","msg":"b"}\n{"level":"info","msg":"c"}\n', 2)
  sink.write('{"level":"debug","msg":"{\\"level\\":\\"error\\""}\n')
  sink.close()
  t.is(
    text(),
    '<3>{"level":"error","msg":"a"}\n<4>{"level":"warn","msg":"b"}\n<6>{"level":"info","msg":"c"}\n' +
      '<7>{"level":"debug","msg":"{\\"level\\":\\"error\\""}\n',
  )
})

test('another place than the journal gets lines as they are', (t) => {
  const { descriptor, stream, text } = file(t)
  for (const journalStream of [undefined, '', `${stream}0`, 'nonsense']) {
    const sink = openSink({ destination: descriptor, maxBufferedBytes: 1_000, journalStream })
    sink.write('{"level":"error"}\n')
    sink.close()
  }
  t.is(text(), '{"level":"error"}\n'.repeat(4))
})

test('a descriptor that is closed is no journal', (t) => {
  t.false(isJournal(1_000_000, '1:2'))
})

test('every line of a failure is one', (t) => {
  const { dev, ino } = fstatSync(2)
  t.is(failureText('error: a\n  b\n\nc\n', `${dev}:${ino}`), '<3>error: a\n<3>  b\n\n<3>c\n')
  t.is(failureText('error: a\n', undefined), 'error: a\n')
  t.is(withPriorities('text\n'), 'text\n')
})
