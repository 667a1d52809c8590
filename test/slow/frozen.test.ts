import { setTimeout as sleep } from 'node:timers/promises'
import { config, nodeB, nodesOf, openedIn, perSecond, traffic } from '../end-to-end/faults.ts'
import { onCluster, splicewayOn } from '../end-to-end/on-cluster.ts'
import { errors } from '../end-to-end/traffic.ts'

const test = onCluster()

/** From the freeze until nobody is lost any more: five times nothing is 100 ms, and it is looked every 50 ms. */
const knownMs = 1_000

for (const plane of ['splice', 'net'] as const) {
  test(`${plane}: with the defaults and in turns, a node that accepts and never speaks costs nobody who comes a second later`, async (t, cluster) => {
    const pool = ['balance: round-robin']
    const spliceway = await splicewayOn(t, cluster, config(cluster, { plane, health: '{ tcp: {} }', pool }))
    const load = traffic(t)
    await load.more(perSecond)
    const mend = await nodeB(cluster).freeze()
    t.teardown(mend)
    const frozenMs = performance.now()
    await spliceway.log(/10\.88\.0\.12:9080 is silent: \d+ connections have waited /)
    t.log(`silent after ${(performance.now() - frozenMs).toFixed(0)} ms`)
    await sleep(frozenMs + 3 * knownMs - performance.now())
    const mendMs = performance.now()
    const { mark } = spliceway
    await mend()
    await spliceway.log(/10\.88\.0\.12:9080 speaks again after /, mark)
    await load.servedBy('b')
    const made = await load.stop()
    const during = openedIn(made, frozenMs, mendMs)
    // Some have waited until the node went on: they were lost to everybody who is not as patient as this client.
    const lost = during.filter(
      ({ openedMs, endedMs, error }) => error !== null || endedMs - openedMs > knownMs,
    )
    t.log(`${lost.length} of ${during.length} were lost`)
    t.true(lost.length <= perSecond / 5, `${lost.length} connections were lost`)
    t.deepEqual(openedIn(lost, frozenMs + knownMs), [])
    const early = during.filter(({ endedMs }) => endedMs < mendMs)
    t.is(nodesOf(openedIn(early, frozenMs + knownMs)), 'ac')
    t.deepEqual(errors(openedIn(made, mendMs)), {})
  })
}
