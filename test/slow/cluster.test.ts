import {
  config,
  longestMs,
  nodeB,
  nodesOf,
  openedIn,
  perSecond,
  port,
  probeMs,
  strike,
  traffic,
} from '../end-to-end/faults.ts'
import { onCluster, splicewayOn } from '../end-to-end/on-cluster.ts'
import { errors, type Visit, visits } from '../end-to-end/traffic.ts'
import { type ClusterNode, forwarderHost, onAll } from '../helpers/cluster.ts'
import { countSyns } from '../helpers/syns.ts'

const test = onCluster()

/** The default of connect.hedgeAfter. */
const hedgeMs = 250
/** What a dial and an answer take beside that, and this machine, which may be busy: it shows in visits that nothing befell. */
const graceMs = (undisturbed: readonly Visit[]) => 100 + 3 * longestMs(undisturbed)

for (const plane of ['splice', 'net'] as const) {
  test(`${plane}: a node that is killed costs no new connection, nor does its return`, async (t, cluster) => {
    const { before, during, after, mendMs } = await strike(t, cluster, (b) => b.kill(), plane)
    t.deepEqual(errors([...before, ...during, ...after]), {})
    t.is(nodesOf(before), 'abc')
    // One that was opened before may be dialed for when the node is back.
    t.is(nodesOf(during.filter(({ endedMs }) => endedMs < mendMs)), 'ac')
    t.is(nodesOf(after), 'abc')
  })

  for (const { what, fault } of [
    { what: 'drops every packet', fault: (b: ClusterNode) => b.blackHole() },
    { what: 'is unplugged', fault: (b: ClusterNode) => b.unplug() },
  ]) {
    test(`${plane}: a node that ${what} costs no new connection, nor does its return`, async (t, cluster) => {
      const { during, after } = await strike(t, cluster, fault, plane)
      t.deepEqual(errors([...during, ...after]), {})
    })
  }

  test(`${plane}: no client waits longer for a node that drops every packet than hedgeAfter, a dial and an answer`, async (t, cluster) => {
    const { before, during, after } = await strike(t, cluster, (b) => b.blackHole(), plane)
    const ms = longestMs(during)
    const mostMs = hedgeMs + graceMs([...before, ...after])
    t.log(`the longest wait: ${ms.toFixed(0)} ms of ${mostMs.toFixed(0)}`)
    t.true(ms <= mostMs, `the longest took ${ms} ms`)
  })
}

test('without probes, a silent node that one client found delays next to nobody else, in no worker', async (t, cluster) => {
  const pool = ['balance: round-robin', 'outlier: off']
  await splicewayOn(t, cluster, config(cluster, { health: 'off', pool }))
  const load = traffic(t)
  await load.more(50)
  const mend = await nodeB(cluster).blackHole()
  t.teardown(mend)
  await load.more(perSecond) // somebody has found it in that second
  const foundMs = performance.now()
  await load.more(perSecond * 2)
  const later = openedIn(await load.stop(), foundMs)
  const slow = later.filter(({ openedMs, endedMs }) => endedMs - openedMs >= hedgeMs)
  t.log(`${slow.length} of ${later.length} connections waited`)
  t.true(slow.length <= later.length / 50, `${slow.length} of ${later.length} waited`)
})

test('a node that accepts and never speaks costs no connection once the probe has found it', async (t, cluster) => {
  const spliceway = await splicewayOn(t, cluster, config(cluster))
  const load = traffic(t)
  await load.more(50)
  const mend = await nodeB(cluster).freeze()
  t.teardown(mend)
  await spliceway.log(/10\.88\.0\.12:9080 is down: http: /)
  const foundMs = performance.now()
  await load.more(200)
  const mendMs = performance.now()
  await mend()
  const made = await load.stop()
  t.deepEqual(errors(openedIn(made, foundMs, mendMs)), {})
})

test('with all of tier 0 gone the next tier serves without a failed connection, until tier 0 is back', async (t, cluster) => {
  const spliceway = await splicewayOn(t, cluster, config(cluster, { priorities: [0, 0, 1] }))
  const load = traffic(t)
  await load.more(50)
  const startMs = performance.now()
  const mend = await onAll(cluster.nodes.slice(0, 2), (each) => each.kill())
  t.teardown(mend)
  const completeMs = performance.now()
  await spliceway.log(/1 of 3 endpoints up/)
  await load.more(100)
  const mendMs = performance.now()
  const { mark } = spliceway
  await mend()
  await spliceway.log(/3 of 3 endpoints up/, mark)
  await load.servedBy('a')
  const made = await load.stop()
  t.is(nodesOf(openedIn(made, 0, startMs)), 'ab')
  t.is(nodesOf(openedIn(made, completeMs, mendMs).filter(({ endedMs }) => endedMs < mendMs)), 'c')
  t.deepEqual(errors(openedIn(made, completeMs)), {})
})

test('everything gone and back: the first client is served within a probe interval of the return', async (t, cluster) => {
  const spliceway = await splicewayOn(t, cluster, config(cluster))
  const load = traffic(t)
  await load.more(50)
  const startMs = performance.now()
  const mend = await onAll(cluster.nodes, (each) => each.kill())
  t.teardown(mend)
  await spliceway.log(/no endpoint up/)
  await mend()
  const backMs = performance.now()
  await load.more(perSecond / 2)
  const made = await load.stop()
  const served = made.filter(({ error, endedMs }) => error === null && endedMs > backMs)
  const firstMs = Math.min(...served.map(({ endedMs }) => endedMs - backMs))
  const mostMs = probeMs + graceMs(openedIn(made, 0, startMs).filter(({ endedMs }) => endedMs < startMs))
  t.log(`the first was served ${firstMs.toFixed(0)} ms after the return, of ${mostMs.toFixed(0)}`)
  t.true(firstMs <= mostMs, `after ${firstMs} ms`)
  t.deepEqual(errors(openedIn(made, backMs)), {})
})

test('the share of a node that is back rises through the slow start', async (t, cluster) => {
  const slowMs = 3_000
  const pool = [`slowStart: ${slowMs}ms`, 'balance: round-robin']
  await splicewayOn(t, cluster, config(cluster, { pool }))
  const load = traffic(t)
  const mend = await nodeB(cluster).kill()
  t.teardown(mend)
  await load.more(perSecond)
  await mend()
  await load.servedBy('b')
  const backMs = performance.now()
  await load.more((perSecond * slowMs) / 1000)
  const made = await load.stop()
  const [first = 0, second = 0, last = 0] = [0, 1, 2].map((third) => {
    const some = openedIn(made, backMs + (third * slowMs) / 3, backMs + ((third + 1) * slowMs) / 3)
    return some.filter((each) => each.node === 'b').length / some.length
  })
  t.log(
    `in each third of the slow start: ${[first, second, last].map((share) => share.toFixed(2)).join(', ')}`,
  )
  t.true(first < second && second < last, 'rising')
  t.true(first < 1 / 4 && last > 1 / 5, 'from little to almost its full share')
})

test('a node that is known to be down gets no SYN of a client', async (t, cluster) => {
  const syns = countSyns(cluster)
  const spliceway = await splicewayOn(t, cluster, config(cluster))
  await visits(20, 4, forwarderHost, port)
  t.true((syns()[1] ?? 0) > 0, 'before')
  const mend = await nodeB(cluster).blackHole()
  t.teardown(mend)
  await spliceway.log(/10\.88\.0\.12:9080 is down/)
  const before = syns()[1]
  t.deepEqual(errors(await visits(100, 4, forwarderHost, port)), {})
  t.is(syns()[1], before)
})
