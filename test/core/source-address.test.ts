import test from 'ava'
import { formatIp, type SocketAddress } from '../../src/core/address.ts'
import { parseSources, sourceFor, sourcesFor } from '../../src/core/source-address.ts'

const both = parseSources(['10.0.0.1', '2001:db8::1', '10.0.0.2'])
const text = (source: SocketAddress | null) => source && formatIp(source)

test('an endpoint is connected to from addresses of its own family, in turn', (t) => {
  let turn = 0
  const next = () => turn++
  const four = [0, 1, 2].map(() => text(sourceFor(both, 4, next)))
  t.deepEqual(four, ['10.0.0.1', '10.0.0.2', '10.0.0.1'])
  t.is(text(sourceFor(both, 6, next)), '2001:db8::1')
  t.deepEqual(sourcesFor(both, 4).map(text), ['10.0.0.1', '10.0.0.2'])
})

test('with none of the family, or none at all, the kernel chooses', (t) => {
  t.is(
    sourceFor(parseSources(['10.0.0.1']), 6, () => 5),
    null,
  )
  t.is(
    sourceFor([], 4, () => t.fail() as never),
    null,
  )
})
