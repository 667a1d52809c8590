import test from 'ava'
import fc from 'fast-check'
import { offers } from '../../src/handover/offers.ts'

const address = { host: '::', port: 80 }

test('a few sockets are one message', (t) => {
  const held = [
    { key: 'a', address, descriptors: [3, 4], shared: false },
    { key: 'b', address, descriptors: [5], shared: false },
  ]
  t.deepEqual(offers(held, 253), [
    {
      listeners: [
        { key: 'a', ...address, descriptors: 2, shared: false },
        { key: 'b', ...address, descriptors: 1, shared: false },
      ],
      descriptors: [3, 4, 5],
    },
  ])
})

test('without any descriptor every listener is offered all the same', (t) => {
  t.deepEqual(offers([{ key: 'a', address, descriptors: [], shared: false }], 253), [
    { listeners: [{ key: 'a', ...address, descriptors: 0, shared: false }], descriptors: [] },
  ])
  t.deepEqual(offers([], 253), [{ listeners: [], descriptors: [] }])
})

test('whatever the numbers, every descriptor goes once, in order, under its key, and no message has too many', (t) => {
  const held = fc.array(fc.nat(9), { maxLength: 6 }).map((counts) => {
    let next = 0
    return counts.map((count, i) => ({
      key: `key ${i}`,
      address,
      descriptors: Array.from({ length: count }, () => next++),
      shared: false,
    }))
  })
  fc.assert(
    fc.property(held, fc.integer({ min: 1, max: 5 }), (given, most) => {
      const got = new Map<string, number[]>()
      for (const { listeners, descriptors } of offers(given, most)) {
        t.true(descriptors.length <= most)
        let at = 0
        for (const { key, descriptors: count } of listeners) {
          got.set(key, [...(got.get(key) ?? []), ...descriptors.slice(at, at + count)])
          at += count
        }
        t.is(at, descriptors.length)
      }
      t.deepEqual(
        [...got],
        given.map(({ key, descriptors }) => [key, descriptors]),
      )
    }),
  )
})
