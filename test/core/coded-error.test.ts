import test from 'ava'
import { CodedError, errnoOf } from '../../src/core/coded-error.ts'

test('an error has its code, its side and what was below it', (t) => {
  const below = new Error('below')
  const error = new CodedError('ERR_SHAPE', 'upstream', 'name: expected text, got a list', below)
  t.like(error, { code: 'ERR_SHAPE', side: 'upstream', cause: below })
  t.false('cause' in new CodedError('EIO', 'internal', 'nothing below'))
})

test('an errno name is taken from a system error, and from nothing else', (t) => {
  t.is(errnoOf(Object.assign(new Error(), { code: 'EADDRINUSE' })), 'EADDRINUSE')
  for (const other of [
    new Error(),
    'EPERM',
    { code: 'EPERM' },
    Object.assign(new Error(), { code: 'ERR_SHAPE' }),
  ]) {
    t.is(errnoOf(other), 'EIO')
  }
})
