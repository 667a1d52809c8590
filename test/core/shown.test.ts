import test from 'ava'
import { shown, shownLines } from '../../src/core/shown.ts'

test('what moves a cursor, colours or turns text shows as an escape, and all else as it is', (t) => {
  t.is(shown('\x1b[2J\x9b1m\n\u202e\u{e0001}'), '\\x1b[2J\\x9b1m\\x0a\\u{202e}\\u{e0001}')
  t.is(shown('10.0.0.5:9080 → größer…'), '10.0.0.5:9080 → größer…')
  t.is(shownLines('a\r\nb'), 'a\\x0d\nb')
})
