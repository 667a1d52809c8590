import { config, nodeB, openedIn, perSecond, traffic } from '../end-to-end/faults.ts'
import { onCluster, splicewayOn } from '../end-to-end/on-cluster.ts'
import { errors } from '../end-to-end/traffic.ts'

const test = onCluster()

/** The default of slowStart. */
const slowS = 30
const parts = 5

test('the share of a node that is back rises all through the default slow start', async (t, cluster) => {
  await splicewayOn(t, cluster, config(cluster, { pool: ['balance: round-robin'] }))
  const load = traffic(t)
  const mend = await nodeB(cluster).kill()
  t.teardown(mend)
  await load.more(perSecond)
  await mend()
  await load.servedBy('b')
  const backMs = performance.now()
  await load.more(perSecond * slowS)
  const made = openedIn(await load.stop(), backMs)
  t.deepEqual(errors(made), {})
  const partMs = (slowS * 1000) / parts
  const shares = Array.from({ length: parts }, (_, part) => {
    const some = openedIn(made, backMs + part * partMs, backMs + (part + 1) * partMs)
    return some.filter(({ node }) => node === 'b').length / some.length
  })
  t.log(`in each ${partMs / 1000} s: ${shares.map((share) => share.toFixed(3)).join(', ')}`)
  t.deepEqual(shares, shares.toSorted(), 'rising')
  t.true((shares[0] ?? 1) < 1 / 6, 'from little')
  t.true((shares.at(-1) ?? 0) > 1 / 4, 'to almost its full share')
})
