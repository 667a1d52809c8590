import test from 'ava'
import fc from 'fast-check'
import { readEvent } from '../../../src/discovery/kubernetes/watch-event.ts'
import { Lines } from '../../../src/discovery/kubernetes/watch-stream.ts'

/** Characters of one to four bytes. */
const events = ['{"a":"é"}', '{"b":"€ and 𝄞"}', '{}', '"\\n"'].join('\n')
const bytes = Buffer.from(`${events}\n`)

function cut(stream: Uint8Array, ...at: readonly number[]): string[] {
  const lines = new Lines()
  const ends = [...at, stream.length].sort((a, b) => a - b)
  return ends.flatMap((end, i) => lines.push(stream.subarray(i === 0 ? 0 : ends[i - 1], end)))
}

test('every two cuts of a stream give the same lines', (t) => {
  for (let a = 0; a <= bytes.length; a++) {
    for (let b = a; b <= bytes.length; b++) t.deepEqual(cut(bytes, a, b), events.split('\n'))
  }
})

test('any text in any chunks is its lines again', (t) => {
  const text = fc.string({ unit: 'binary', minLength: 1 }).filter((line) => !/[\n\ud800-\udfff]/u.test(line))
  const cuts = fc.array(fc.nat(500))
  fc.assert(
    fc.property(fc.array(text), cuts, (lines, at) => {
      const stream = Buffer.from(lines.map((line) => `${line}\n`).join(''))
      const inside = at.map((place) => Math.min(place, stream.length))
      t.deepEqual(cut(stream, ...inside), lines)
    }),
  )
})

test('every prefix gives the lines that are whole in it, and knows whether something is left', (t) => {
  for (let end = 0; end <= bytes.length; end++) {
    const lines = new Lines()
    const found = lines.push(bytes.subarray(0, end))
    const whole = bytes.subarray(0, end).toString('latin1').split('\n').length - 1
    t.deepEqual(found, events.split('\n').slice(0, whole), `${end}`)
    t.is(lines.unfinished, end > 0 && bytes[end - 1] !== 0x0a, `${end}`)
  }
})

test('what is kept of a chunk is not changed by the next', (t) => {
  const lines = new Lines()
  lines.push(Buffer.from('{"a":'))
  t.deepEqual(lines.push(Buffer.from('1}\n\n\n{"b"')), ['{"a":1}'])
  t.true(lines.unfinished)
  t.deepEqual(lines.push(Buffer.from(':2}\n')), ['{"b":2}'])
  t.false(lines.unfinished)
})

test('a line without end is given up', (t) => {
  const lines = new Lines()
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  for (let i = 0; i < 8; i++) lines.push(chunk)
  t.throws(() => lines.push(chunk), { message: 'a line of the watch is longer than 8 MiB' })
})

const version = { metadata: { name: 'kong-a', resourceVersion: '7' } }

test('a bookmark is an empty shell with a version', (t) => {
  const object = { ...version, endpoints: null, ports: null }
  t.deepEqual(readEvent(JSON.stringify({ type: 'BOOKMARK', object })), { kind: 'bookmark', version: '7' })
})

test('a deletion says which and when', (t) => {
  t.deepEqual(readEvent(JSON.stringify({ type: 'DELETED', object: version })), {
    kind: 'deleted',
    version: '7',
    name: 'kong-a',
  })
})

test('an error is a status, with the cause that says the version is of the future', (t) => {
  const object = {
    kind: 'Status',
    code: 504,
    message: 'Timeout: Too large resource version: 9, current: 7',
    details: { retryAfterSeconds: 1, causes: [{ reason: 'ResourceVersionTooLarge' }] },
  }
  t.deepEqual(readEvent(JSON.stringify({ type: 'ERROR', object })), {
    kind: 'error',
    status: {
      code: 504,
      message: 'Timeout: Too large resource version: 9, current: 7',
      retryAfterMs: 1000,
      ahead: true,
    },
  })
})

for (const line of [
  '',
  '{',
  'null',
  '7',
  '{}',
  '{"type":"NEWS","object":{}}',
  '{"type":"ADDED"}',
  '{"type":"BOOKMARK","object":{}}',
]) {
  test(`no event: ${line}`, (t) => {
    t.throws(() => readEvent(line), { name: 'Error', message: /expected/ })
  })
}

test('every prefix of an event is no event', (t) => {
  const object = { ...version, addressType: 'IPv4', ports: [], endpoints: [] }
  const line = JSON.stringify({ type: 'ADDED', object })
  for (let end = 0; end < line.length; end++) t.throws(() => readEvent(line.slice(0, end)))
  t.like(readEvent(line), { kind: 'set', version: '7' })
})
