import { readFile } from 'node:fs/promises'
import test from 'ava'
import { durationText, errorText, isLocal, roughly, someOf, tookText } from '../../src/core/wording.ts'

test('durations are written the way the configuration writes them', (t) => {
  const texts = [250, 999.6, 1000, 1500, 60_000, 90_000, 3_600_000].map(durationText)
  t.deepEqual(texts, ['250ms', '1s', '1s', '1.5s', '1m', '90s', '1h'])
})

test('a jittered duration is rounded to seconds once it is long', (t) => {
  t.deepEqual([-1, 412, 9500, 28_417, 59_700].map(roughly), ['0ms', '412ms', '9.5s', '28s', '1m'])
})

test('a measured time has one decimal while it is short', (t) => {
  t.deepEqual([0.42, 9.96, 12.4].map(tookText), ['0.4 ms', '10.0 ms', '12 ms'])
})

test('a known errno is said in words, an unknown error in its own, in one line', (t) => {
  t.is(
    errorText(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })),
    'connection refused',
  )
  t.is(errorText(new Error('first\n  second ')), 'first second')
  t.is(errorText('just text'), 'just text')
})

test("of a failed system call the reason is the system's, and not what Node says of its arguments", (t) => {
  t.is(
    errorText(Object.assign(new Error('connect EINVAL - Local (undefined:undefined)'), einval)),
    einvalText,
  )
})

const einval = { code: 'EINVAL', errno: -22, syscall: 'connect' }
const einvalText = 'invalid argument (EINVAL)'

test('what is wrong with a file keeps its name', async (t) => {
  const error = await t.throwsAsync(readFile('/nowhere/at/all'))
  t.regex(errorText(error), /^ENOENT: .*\/nowhere\/at\/all/)
})

test('a list in a line of the log has an end', (t) => {
  t.is(someOf(['a', 'b']), 'a, b')
  t.is(
    someOf(Array.from({ length: 5000 }, (_, i) => String(i))),
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 4990 more',
  )
})

test('only what this machine lacks is its own fault', (t) => {
  const codes = ['EMFILE', 'EADDRNOTAVAIL', 'ECONNREFUSED', 'EHOSTUNREACH', 'EPERM']
  t.deepEqual(
    codes.filter((code) => isLocal(Object.assign(new Error(code), { code }))),
    ['EMFILE', 'EADDRNOTAVAIL'],
  )
})
