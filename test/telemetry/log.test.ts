import test from 'ava'
import { wantsColours } from '../../src/telemetry/colours.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { readable } from '../../src/telemetry/readable.ts'
import type { Sink } from '../../src/telemetry/sink.ts'

function collect(terminal: boolean): Sink & { readonly lines: string[] } {
  const lines: string[] = []
  return {
    lines,
    terminal,
    write: (text) => void lines.push(text),
    dropped: () => 0,
    flushSync() {},
    close() {},
  }
}

test('a line is JSON with level, time, fields and message, and nothing else', (t) => {
  const sink = collect(false)
  createLog('info', sink).warn({ pool: 'web' }, 'hello')
  const [line = ''] = sink.lines
  t.regex(
    line,
    /^\{"level":"warn","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","pool":"web","msg":"hello"\}\n$/,
  )
})

test('lines below the level are not written', (t) => {
  const sink = collect(false)
  const log = createLog('warn', sink)
  log.info('quiet')
  log.error('loud')
  t.is(sink.lines.length, 1)
})

test('an expected error shows its code and causes and no stack', (t) => {
  const sink = collect(false)
  const cause = Object.assign(new Error('connect failed'), { code: 'ECONNREFUSED' })
  const err = Object.assign(new Error('no endpoint', { cause }), { code: 'EUNREACHABLE' })
  createLog('info', sink).error({ err }, 'gave up')
  t.deepEqual(JSON.parse(sink.lines[0] ?? '').err, {
    code: 'EUNREACHABLE',
    message: 'no endpoint',
    cause: { code: 'ECONNREFUSED', message: 'connect failed' },
  })
})

test('an error without a code shows its stack', (t) => {
  const sink = collect(false)
  createLog('info', sink).error({ err: new TypeError('a bug') }, 'oops')
  t.regex(JSON.parse(sink.lines[0] ?? '').err.stack, /^TypeError: a bug\n {4}at /)
})

test('an error that is its own cause is cut', (t) => {
  const err = new Error('round')
  err.cause = err
  const sink = collect(false)
  createLog('info', sink).error({ err }, 'oops')
  t.is(sink.lines.length, 1)
})

test('a terminal gets words', (t) => {
  const sink = collect(true)
  createLog('info', sink).info({ listener: 'http', address: '[::]:80', note: 'two words', n: 3 }, 'listening')
  t.regex(
    sink.lines[0] ?? '',
    /^\d\d:\d\d:\d\d\.\d{3} info {2}listening listener=http address=\[::\]:80 note="two words" n=3\n$/,
  )
})

test('a terminal gets an error on its line and a stack below', (t) => {
  const sink = collect(true)
  const log = createLog('info', sink)
  log.error({ err: Object.assign(new Error('taken'), { code: 'EADDRINUSE' }) }, 'cannot listen')
  log.error({ err: new Error('a bug') }, 'oops')
  t.regex(sink.lines[0] ?? '', / error cannot listen err="EADDRINUSE: taken"\n$/)
  t.regex(sink.lines[1] ?? '', / error oops err="a bug"\nError: a bug\n {4}at .*\n$/s)
})

test('control characters do not reach the terminal', (t) => {
  const sink = collect(true)
  createLog('info', sink).info({ reason: '\x1b[2Jgone\x9b1m' }, 'bell \x07 here')
  const [line = ''] = sink.lines
  t.notRegex(line.trimEnd(), /\p{Cc}/u)
  t.regex(line, /bell \\x07 here/)
})

const ended = {
  level: 'warn',
  time: '2026-11-27T21:00:00.000Z',
  msg: 'connection',
  id: 'a-1',
  listener: 'http',
  client: '10.0.0.7:41000',
  endpoint: '10.0.0.6:9080',
  attempts: [
    { endpoint: '10.0.0.5:9080', ms: 0.2, error: 'ECONNREFUSED' },
    { endpoint: '10.0.0.6:9080', ms: 0.3, error: null },
  ],
  connectMs: 0.5,
  durationMs: 1_234.5,
  bytesUp: 120,
  bytesDown: 3_500,
  cause: 'server',
  phase: 'data',
  closed: { first: 'server', how: 'rst' },
}

test('a terminal gets a connection as a sentence, with what it does not know as fields', (t) => {
  const line = readable(JSON.stringify({ ...ended, serverName: 'shop.example', slow: null }))
  t.is(
    line.slice('21:00:00.000 '.length),
    'warn  http 10.0.0.7:41000 → 10.0.0.6:9080, after 10.0.0.5:9080 (ECONNREFUSED), 1.2 s, up 120 B, ' +
      'down 3.4 KiB, server ended first (rst) in data: server serverName=shop.example\n',
  )
})

test('the level has its colour, and nothing else has one', (t) => {
  const line = (level: string) => readable(JSON.stringify({ ...ended, level }), true)
  t.true(line('warn').includes(' \x1b[33mwarn \x1b[0m http'))
  t.true(line('error').includes(' \x1b[31merror\x1b[0m http'))
  t.false(line('info').includes('\x1b'))
  t.false(line('constructor').includes('\x1b'))
})

test('NO_COLOR and a terminal without colours are respected', (t) => {
  t.true(wantsColours({ TERM: 'xterm' }))
  t.true(wantsColours({ TERM: 'xterm', NO_COLOR: '' }))
  t.false(wantsColours({ TERM: 'xterm', NO_COLOR: '1' }))
  t.false(wantsColours({ TERM: 'dumb' }))
})
