import test from 'ava'
import fc from 'fast-check'
import { wireWord } from '../../src/core/wire-word.ts'

test('a name is shown as it is', (t) => {
  t.is(wireWord('shop.example'), 'shop.example')
  t.is(wireWord('http/1.1'), 'http/1.1')
  t.is(wireWord(''), '')
})

test('what is not printable ASCII shows as its byte, and so does the backslash', (t) => {
  t.is(wireWord('sh\xf6p\x00\x1b[2J\x7f\r\n'), 'sh\\xf6p\\x00\\x1b[2J\\x7f\\x0d\\x0a')
  t.is(wireWord('\\x41'), '\\x5cx41')
})

test('255 characters are shown, and that there are more', (t) => {
  t.is(wireWord('x'.repeat(255)), 'x'.repeat(255))
  t.is(wireWord('x'.repeat(256)), `${'x'.repeat(255)}…`)
})

test('no two words of up to 255 bytes look alike, and none drives a terminal', (t) => {
  const word = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
  fc.assert(
    fc.property(
      word,
      word,
      (a, b) => (wireWord(a) === wireWord(b)) === (a === b) && /^[\x20-\x7e]*$/.test(wireWord(a)),
    ),
  )
  t.pass()
})
