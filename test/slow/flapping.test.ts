import type { ExecutionContext } from 'ava'
import { config, nodeB, openedIn, perSecond, traffic } from '../end-to-end/faults.ts'
import { onCluster, splicewayOn } from '../end-to-end/on-cluster.ts'
import { errors } from '../end-to-end/traffic.ts'
import { type Cluster, flapping } from '../helpers/cluster.ts'

const test = onCluster()

const flapMs = 2_000
const seconds = 22
/** The default of outlier.baseEjection. */
const periodMs = 30_000

/** Changes of the state of node b, which is killed or started every 2 s, in the words of the log. */
async function flap(t: ExecutionContext, cluster: Cluster, health: string): Promise<string[]> {
  const spliceway = await splicewayOn(t, cluster, config(cluster, { health, pool: ['balance: round-robin'] }))
  const load = traffic(t)
  await load.more(100)
  const startMs = performance.now()
  const mend = await flapping(nodeB(cluster), (b) => b.kill(), flapMs)
  t.teardown(mend)
  await load.more(perSecond * seconds)
  const lostMs = performance.now() - startMs
  await mend()
  const failed = errors(openedIn(await load.stop(), startMs))
  t.log(`${JSON.stringify(failed)} of ${perSecond * seconds} connections failed in ${Math.round(lostMs)} ms`)
  const changes = spliceway.program.lines.flatMap(
    (line) => / 10\.88\.0\.12:9080 is (ejected|back|down|up)/.exec(line)?.[1] ?? [],
  )
  t.log(`node b: ${changes.join(', ')}`)
  return changes
}

test('passive health ejects a node that comes and goes every 2 s at most once in an ejection period', async (t, cluster) => {
  const ejections = (await flap(t, cluster, 'off')).filter((change) => change === 'ejected').length
  t.true(ejections <= Math.ceil((seconds * 1000) / periodMs), `${ejections} ejections`)
})

test('with the default probes, a node that comes and goes every 2 s changes its state once in an ejection period', async (t, cluster) => {
  const words = await flap(t, cluster, '{ tcp: {} }')
  // Ejected and then down by probes, it is out of use all the same; the first probe's `up` is no change.
  const inUse = words.map((word) => word === 'up' || word === 'back')
  const changes = inUse.filter((used, at) => at > 0 && used !== inUse[at - 1]).length
  t.true(changes <= Math.ceil((seconds * 1000) / periodMs), `${changes} changes`)
})
