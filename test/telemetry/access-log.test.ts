import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { accessLines } from '../../src/core/access-line.ts'
import { causes, type Outcome } from '../../src/core/outcome.ts'
import { writeAccess } from '../../src/telemetry/access-log.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { readable } from '../../src/telemetry/readable.ts'
import { openSink, type Sink } from '../../src/telemetry/sink.ts'

const outcome: Outcome = {
  // Another order than the log's, on purpose.
  look: null,
  moves: 0,
  firstByteMs: 3.0001,
  closed: { how: 'fin', first: 'client' },
  phase: 'half-closed',
  cause: 'none',
  bytesDown: 5_000,
  bytesUp: 120,
  durationMs: 12.34567,
  connectMs: 1.00049,
  attempts: [
    { endpoint: '10.0.0.5:9443', ms: 0.4999999, error: 'ECONNREFUSED' },
    { endpoint: '10.0.0.6:9443', ms: 1, error: null },
  ],
  endpoint: '10.0.0.6:9443',
  serverName: 'shop.example',
  pool: 'web',
  client: '203.0.113.7:51234',
  listener: 'https',
  id: 'w1-42',
}

interface Teardown {
  teardown(fn: () => void): void
}

function logFile(t: Teardown) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-access-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return join(folder, 'access.log')
}

function sinkTo(t: Teardown, file: string, maxBufferedBytes = 100_000): Sink {
  const descriptor = openSync(file, 'a')
  t.teardown(() => closeSync(descriptor))
  return openSink({ destination: descriptor, maxBufferedBytes })
}

function write(sink: Sink, outcomes: readonly Outcome[]): void {
  const lineOf = accessLines()
  writeAccess(sink, outcomes.map((each) => lineOf(each, Date.now())).join(''), outcomes.length)
}

test('a line has the documented fields in the documented order', (t) => {
  const destination = logFile(t)
  const log = sinkTo(t, destination)
  write(log, [outcome])
  log.close()
  const line = readFileSync(destination, 'utf8')
  t.is(
    line.replace(/"time":"[^"]+"/, '"time":"T"'),
    '{"level":"info","time":"T","msg":"connection","id":"w1-42","listener":"https","client":"203.0.113.7:51234",' +
      '"serverName":"shop.example","pool":"web",' +
      '"endpoint":"10.0.0.6:9443","attempts":[{"endpoint":"10.0.0.5:9443","ms":0.5,"error":"ECONNREFUSED"},' +
      '{"endpoint":"10.0.0.6:9443","ms":1,"error":null}],"connectMs":1,"durationMs":12.346,"bytesUp":120,' +
      '"bytesDown":5000,"cause":"none","phase":"half-closed","closed":{"first":"client","how":"fin"},"firstByteMs":3}\n',
  )
})

test('an end that was looked at says who was slow, and what that is concluded from', (t) => {
  const look = {
    slow: 'client',
    rttMs: { client: 12.5, endpoint: 0.2 },
    retransmits: { client: 3, endpoint: 0 },
    peerWindowMs: { client: 1_564, endpoint: null },
    gatewayMs: 0.00001,
  } as const
  const line = accessLines()({ ...outcome, look }, 0)
  t.true(
    line.endsWith(
      '"firstByteMs":3,"slow":"client","rttMs":{"client":12.5,"endpoint":0.2},' +
        '"retransmits":{"client":3,"endpoint":0},"peerWindowMs":{"client":1564,"endpoint":null},"gatewayMs":0}\n',
    ),
  )
})

test('a server name of any bytes is ASCII in the line, and on a terminal', (t) => {
  const line = accessLines()({ ...outcome, serverName: 'a"\x1b[2J\u009b\u00ff' }, 0)
  t.true(line.includes('"serverName":"a\\"\\u001b[2J\\u009b\\u00ff"'), line)
  t.true(readable(line).includes('serverName=a"\\x1b[2J\\x9b\\xff '), readable(line))
})

test('a connection that failed for a reason on our side of it is a warning', (t) => {
  const lineOf = accessLines()
  const levels = causes.map((cause) => JSON.parse(lineOf({ ...outcome, cause }, 0)).level)
  t.deepEqual(
    causes.filter((_, at) => levels[at] === 'warn'),
    ['server', 'proxy', 'resource', 'endpoint-down', 'server-timeout'],
  )
  t.is(levels.filter((level) => level === 'info').length, causes.length - 5)
})

test('a connection that reached no endpoint says null', (t) => {
  const destination = logFile(t)
  const log = sinkTo(t, destination)
  write(log, [{ ...outcome, endpoint: null, connectMs: null, attempts: [], cause: 'endpoint-down' }])
  log.close()
  const line = JSON.parse(readFileSync(destination, 'utf8'))
  t.is(line.endpoint, null)
  t.is(line.connectMs, null)
  t.deepEqual(line.attempts, [])
})

test('every outcome of a large batch is a line', (t) => {
  const destination = logFile(t)
  const log = sinkTo(t, destination)
  write(
    log,
    Array.from({ length: 500 }, (_, n) => ({ ...outcome, id: String(n) })),
  )
  log.close()
  const ids = readFileSync(destination, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).id)
  t.deepEqual(
    ids,
    Array.from({ length: 500 }, (_, n) => String(n)),
  )
  t.is(log.dropped(), 0)
})

test('lines, not batches, are counted when a reader stalls', (t) => {
  const path = logFile(t)
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  t.teardown(() => closeSync(reader))
  const log = sinkTo(t, path, 20_000)
  const total = 5_000
  for (let n = 0; n < total; n += 100)
    write(
      log,
      Array.from({ length: 100 }, () => outcome),
    )
  const lineBytes = 420 // at least
  t.true(log.dropped() >= total - (65_536 + 20_000 + 20_000) / lineBytes, `${log.dropped()} dropped`)
  t.true(log.dropped() < total)
  log.close()
  t.true(log.dropped() > total - 65_536 / lineBytes - 50)
  t.true(log.dropped() <= total)
})

test('the program log and the access log share one sink', (t) => {
  const destination = logFile(t)
  const sink = sinkTo(t, destination)
  const program = createLog('info', sink)
  program.info('first')
  write(sink, [outcome])
  program.info('last')
  sink.close()
  const messages = readFileSync(destination, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).msg)
  t.deepEqual(messages, ['first', 'connection', 'last'])
})
