import test from 'ava'
import fc from 'fast-check'
import { socketsOf } from '../../src/control/workers/sockets.ts'

for (const [sockets, workers, shares] of [
  [[7], 1, [[7]]],
  [[7, 8], 2, [[7], [8]]],
  [[7], 3, [[7], [7], [7]]],
  [[7, 8], 3, [[7], [8], [7]]],
  [[7, 8, 9, 10], 1, [[7, 8, 9, 10]]],
  [[7, 8, 9], 2, [[7, 9], [8]]],
] as const) {
  test(`${sockets.length} sockets for ${workers} workers`, (t) => {
    t.deepEqual(
      shares.map((_, i) => socketsOf(sockets, workers, i + 1)),
      shares.map((each) => [...each]),
    )
  })
}

test('whatever the numbers, every socket is served and every worker has one', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 64 }), (sockets, workers) => {
      const all = Array.from({ length: sockets }, (_, i) => i)
      const shares = Array.from({ length: workers }, (_, i) => socketsOf(all, workers, i + 1))
      t.is(new Set(shares.flat()).size, sockets)
      t.true(shares.every(({ length }) => length > 0))
    }),
  )
})
