import test from 'ava'
import fc from 'fast-check'
import { maxHeadBytes, readRequestHead } from '../../src/admin/request-head.ts'

const whole = 'GET /status?pretty HTTP/1.1\r\nHost: edge.example:9981\r\nAccept: */*\r\n\r\n'
const request = {
  kind: 'request',
  method: 'GET',
  path: '/status',
  query: 'pretty',
  host: 'edge.example:9981',
} as const

test('a request is read, and what follows it is not', (t) => {
  t.deepEqual(readRequestHead(whole), request)
  t.deepEqual(readRequestHead(`${whole}POST /drain HTTP/1.1\r\n\r\n`), request)
  t.deepEqual(readRequestHead(`\r\n${whole}`), request)
  t.deepEqual(readRequestHead(whole.replaceAll('\r\n', '\n')), request)
})

test('every prefix of a request is incomplete', (t) => {
  for (let length = 0; length < whole.length; length++)
    t.deepEqual(readRequestHead(whole.slice(0, length)), { kind: 'incomplete' }, String(length))
})

test('every change of one byte is a request or refused, and never throws', (t) => {
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
      const text = whole.slice(0, at) + String.fromCharCode(byte) + whole.slice(at + 1)
      const head = readRequestHead(text)
      return head.kind !== 'request' || (head.path.length > 0 && !/[\r\n\0 ]/.test(head.path))
    }),
    { numRuns: 5_000 },
  )
  t.pass()
})

test('the host of a whole URI counts, not the field', (t) => {
  const text = 'GET http://rebound.example:9981/metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'
  t.like(readRequestHead(text), { path: '/metrics', host: 'rebound.example:9981' })
  t.like(readRequestHead('GET http://a HTTP/1.1\r\n\r\n'), { path: '/', host: 'a' })
})

test('HTTP/1.0 names no host', (t) => {
  t.deepEqual(readRequestHead('GET /livez HTTP/1.0\r\n\r\n'), {
    kind: 'request',
    method: 'GET',
    path: '/livez',
    query: '',
    host: undefined,
  })
})

for (const [title, text, status] of [
  ['no request line', 'hello\r\n\r\n', 400],
  ['TLS', '\x16\x03\x01\x02\x00\n\n', 400],
  ['a field without a colon', 'GET / HTTP/1.1\r\nhost\r\n\r\n', 400],
  ['a folded field', 'GET / HTTP/1.1\r\nx: a\r\n b\r\n\r\n', 400],
  ['two hosts', 'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n', 400],
  ['another version', 'GET / HTTP/2.0\r\n\r\n', 505],
  ['too much, not whole', `GET / HTTP/1.1\r\nx: ${'x'.repeat(maxHeadBytes)}`, 431],
  ['too much', `GET / HTTP/1.1\r\nx: ${'x'.repeat(maxHeadBytes)}\r\n\r\n`, 431],
] as const) {
  test(`refused: ${title}`, (t) => {
    t.deepEqual(readRequestHead(text), { kind: 'bad', status })
  })
}
