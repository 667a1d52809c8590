import test from 'ava'
import { WarmPools } from '../../src/control/warm-pools.ts'
import { endpoint, pool } from '../core/balance-fixture.ts'
import { RecordedLog } from './fixture.ts'

const warm = { connections: 4, maxAgeMs: 25_000 }
const mailEndpoint = endpoint(0)
const mail = { ...pool('p2c', [mailEndpoint], 'mail'), warm }
const web = { ...pool('p2c', [endpoint(1)], 'web'), warm }

/** With room for all. */
function warmPools(log = new RecordedLog()) {
  return new WarmPools({ log, workers: 1, machine: { openFiles: 65_536, memoryBytes: 1 << 30 } })
}

test('a pool whose endpoint spoke first is published without warm, and others as they are', (t) => {
  const pools = warmPools()
  t.true(pools.spoke([mail, web], mailEndpoint.slot, 3))
  t.deepEqual(pools.published([mail, web]), [{ ...mail, warm: null }, web])
  t.deepEqual(pools.published([{ ...mail, warm: { ...warm } }]), [{ ...mail, warm: null }])
})

test('it is news once: a late word about a pool that is published without warm is none', (t) => {
  const pools = warmPools()
  t.true(pools.spoke([mail], mailEndpoint.slot, 3))
  t.false(pools.spoke(pools.published([mail]), mailEndpoint.slot, 3))
})

test('a change of warm tries again', (t) => {
  const pools = warmPools()
  pools.spoke([mail], mailEndpoint.slot, 3)
  const changed = { ...mail, warm: { ...warm, connections: 5 } }
  t.deepEqual(pools.published([changed]), [changed])
  t.deepEqual(pools.published([mail]), [mail])
})

test('the message names pool and endpoint, how soon it spoke, and both reasons there can be', (t) => {
  const log = new RecordedLog()
  warmPools(log).spoke([mail], mailEndpoint.slot, 3.2)
  t.deepEqual(log.take(), [
    `warn pool mail: warm connections are off: endpoint ${mailEndpoint.id} sent something on a connection that nobody had used, ` +
      '3ms after it was opened. Its protocol lets the server speak first, or it gives clients less time than ' +
      'warm.maxAge (25s). Leave warm out; changing it tries again',
  ])
})
