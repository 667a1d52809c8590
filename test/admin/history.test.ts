import test from 'ava'
import { everyMs, History } from '../../src/admin/history.ts'
import type { Status } from '../../src/core/status.ts'
import { exampleStatus } from '../telemetry/example-app.ts'

type Picture = Pick<Status, 'listeners' | 'pools'>
const [listener] = exampleStatus.listeners

function picture(change: Partial<Status['listeners'][number]>): Picture {
  return { listeners: listener === undefined ? [] : [{ ...listener, ...change }], pools: exampleStatus.pools }
}

test('counters are told as what was counted in between, gauges as they are', (t) => {
  const history = new History()
  history.add(picture({ accepted: 100, active: 4, bytesUp: 10, bytesDown: 20 }), 0)
  history.add(
    picture({ accepted: 107, active: 3, bytesUp: 11, bytesDown: 40, failed: { server: 2 } }),
    10_000,
  )
  const [past] = history.past(12_000).listeners
  t.deepEqual(past?.accepted.slice(-3), [null, 0, 7])
  t.deepEqual(past?.active.slice(-3), [null, 4, 3])
  t.deepEqual(past?.bytes.slice(-2), [0, 21])
  t.deepEqual(past?.failed.slice(-2), [0, 2])
  t.is(history.past(12_000).ageMs, 2_000)
})

test('a pool has how many of its endpoints are in use', (t) => {
  const history = new History()
  history.add(picture({}), 0)
  const pools = history.past(0).pools.map(({ name, up, endpoints }) => [name, up.at(-1), endpoints.at(-1)])
  t.deepEqual(pools, [
    ['web', 1, 1],
    ['web-tls', 0, 1],
  ])
})

test('fifteen minutes are kept, the oldest first', (t) => {
  const history = new History()
  for (let each = 0; each < 200; each++) history.add(picture({ active: each }), each * everyMs)
  const { active = [] } = history.past(0).listeners[0] ?? {}
  t.is(active.length * everyMs, 900_000)
  t.is(active.at(0), 110)
  t.is(active.at(-1), 199)
})

test('a counter that begins anew counts nothing, and never below zero', (t) => {
  const history = new History()
  history.add(picture({ accepted: 100 }), 0)
  history.add(picture({ accepted: 3 }), 10_000)
  t.is(history.past(0).listeners[0]?.accepted.at(-1), 0)
})

test('what a reload took away is gone, and what is called __proto__ is as any other', (t) => {
  const history = new History()
  history.add(picture({}), 0)
  history.add(picture({ name: '__proto__' }), 10_000)
  t.deepEqual(
    history.past(0).listeners.map(({ name }) => name),
    ['__proto__'],
  )
})
