import test from 'ava'
import { sourceFor, sourcesFor } from '../../src/core/source-address.ts'

const both = ['10.0.0.1', '2001:db8::1', '10.0.0.2']

test('an endpoint is connected to from addresses of its own family, in turn', (t) => {
  let turn = 0
  const next = () => turn++
  const four = [0, 1, 2].map(() => sourceFor(both, 4, next))
  t.deepEqual(four, ['10.0.0.1', '10.0.0.2', '10.0.0.1'])
  t.is(sourceFor(both, 6, next), '2001:db8::1')
  t.deepEqual(sourcesFor(both, 4), ['10.0.0.1', '10.0.0.2'])
})

test('with none of the family, or none at all, the kernel chooses', (t) => {
  t.is(
    sourceFor(['10.0.0.1'], 6, () => 5),
    null,
  )
  t.is(
    sourceFor([], 4, () => t.fail() as never),
    null,
  )
})
