import test from 'ava'
import { createNetPlane } from '../../../src/plane/net/net.ts'
import type { NetWire } from '../../../src/plane/net/wire.ts'
import type { Dialed } from '../../../src/plane/plane.ts'
import { address } from '../../core/balance-fixture.ts'

test('a transparent dial fails, later and once, and not as the endpoint’s fault', async (t) => {
  const plane = createNetPlane({ sight: null, tune: null, takeError: null })
  const source = address('127.0.0.1', 0)
  let returned = false
  const dialed = await new Promise<Dialed<NetWire>>((resolve) => {
    const options = { source, transparent: true, group: 'main', forClient: true }
    plane.dial(address('127.0.0.1', 1), options, (result) => {
      t.true(returned)
      resolve(result)
    })
    returned = true
  })
  t.deepEqual(dialed, { kind: 'failed', code: 'ENOTSUP' })
  plane.close()
})
