import test from 'ava'
import { soak } from '../discovery/kubernetes/soak.ts'

test('10,000 changes of the endpoints, and no request fails while one is ready', async (t) => {
  t.timeout(600_000)
  await soak(t, 10_000)
})
