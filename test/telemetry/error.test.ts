import test from 'ava'
import { CodedError } from '../../src/core/coded-error.ts'
import { describeError } from '../../src/telemetry/error.ts'

test('an expected error is logged with code, side and causes, and without a stack', (t) => {
  const below = Object.assign(new Error('permission denied'), { code: 'EACCES' })
  const error = new CodedError('ERR_CREDENTIALS', 'internal', 'token cannot be read', below)
  t.deepEqual(describeError(error), {
    code: 'ERR_CREDENTIALS',
    side: 'internal',
    message: 'token cannot be read',
    cause: { code: 'EACCES', message: 'permission denied' },
  })
})

test('an error without a code is a bug, and is logged with its stack', (t) => {
  t.regex(describeError(new RangeError('no row 3')).stack ?? '', /error\.test\.ts/)
})
