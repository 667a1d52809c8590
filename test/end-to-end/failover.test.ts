import { nginxPorts } from '../helpers/nginx.ts'
import { onStage } from './on-stage.ts'
import { edgeAddress, type Stage } from './stage.ts'
import { errors, nodeOf, Traffic, type Visit, visit, visits } from './traffic.ts'
import { Visitor } from './visitor.ts'

const test = onStage(3, ['splice', 'net'])

const budgetMs = 2_000
const connectionsPerSecond = 300

const probes = 'health: { tcp: {}, interval: 200ms, timeout: 200ms, fall: 2, rise: 2 }'

function config(stage: Stage, health: string, budget = budgetMs): string {
  return `listeners:
  - { name: http, listen: "[::]:80", pool: web }
pools:
  web:
    endpoints: ${stage.endpoints(nginxPorts.http)}
    balance: round-robin
    connect: { timeout: 500ms, budget: ${budget}ms }
    ${health}
`
}

/** `ac`: the gateways that answered. */
function nodes(made: readonly Visit[]): string {
  return [...new Set(made.map(({ node }) => node))].sort().join('')
}

/** The log says what, why, and what remains. */
const byProbes = {
  down: /"pool web: endpoint 127\.0\.0\.3:9080 is down: tcp: connection refused \(2 of 2 probes failed\); 2 of 3 endpoints up"/,
  up: /"pool web: endpoint 127\.0\.0\.3:9080 is up: [^;]*\(2 of 2 probes succeeded\); 3 of 3 endpoints up"/,
}

for (const { how, health, down, up } of [
  { how: 'probes and passive health', health: probes, ...byProbes },
  { how: 'probes alone', health: `${probes}\n    outlier: off`, ...byProbes },
  {
    how: 'passive health alone',
    health: 'health: off\n    outlier: { consecutiveFailures: 5, baseEjection: 1s, maxEjection: 2s }',
    down: /"pool web: endpoint 127\.0\.0\.3:9080 is ejected for [^;]*ECONNREFUSED[^;]*; 2 of 3 endpoints up"/,
    up: /"pool web: endpoint 127\.0\.0\.3:9080 is back after its ejection of [^;]*; 3 of 3 endpoints up"/,
  },
]) {
  test(`a gateway that is killed under load costs no later connection, nor does its return: ${how}`, async (t, stage) => {
    const [, b] = stage.gateways
    if (b === undefined) throw new Error('the stage has three gateways')
    t.teardown(() => b.start())
    const spliceway = await stage.spliceway(t, config(stage, health))
    const traffic = new Traffic(connectionsPerSecond, edgeAddress.v4, 80, 50)
    t.teardown(() => traffic.stop())
    await traffic.more(150)

    const { mark } = spliceway // an ejection may be over, and begin again, before the gateway is started
    const killedMs = performance.now()
    await b.kill()
    const goneMs = performance.now()
    await spliceway.log(down)
    await traffic.more(200)
    const withoutMs = performance.now()
    await b.start()
    await spliceway.log(up, mark)
    await traffic.servedBy(b.name)
    await traffic.more(100)

    const made = await traffic.stop()
    const between = (from: number, to: number) =>
      made.filter(({ openedMs }) => openedMs >= from && openedMs < to)
    const inFlight = made.filter(({ openedMs, endedMs }) => openedMs < goneMs && endedMs >= killedMs)
    const others = made.filter((each) => !inFlight.includes(each))
    const lost = inFlight.filter(({ error }) => error !== null)
    t.log(`${made.length} connections, ${inFlight.length} in flight at the kill, ${lost.length} of them lost`)
    t.deepEqual(errors(others), {}, 'connections that were not in flight at the kill')
    t.true(others.length > connectionsPerSecond, 'the load was what it should be')
    t.is(nodes(between(0, killedMs)), 'abc')
    // One that was opened before may be dialed for when the gateway is back.
    t.is(nodes(between(goneMs, withoutMs).filter(({ endedMs }) => endedMs < withoutMs)), 'ac')
  })
}

test('with all gateways gone a client is closed within connect.budget, and served again when they are back', async (t, stage) => {
  t.teardown(() => Promise.all(stage.gateways.map((gateway) => gateway.start())))
  const spliceway = await stage.spliceway(t, config(stage, probes))
  t.is(nodes(await visits(6, 1, edgeAddress.v4, 80)), 'abc')
  await Promise.all(stage.gateways.map((gateway) => gateway.kill()))
  t.regex(await spliceway.log(/no endpoint up/), /no endpoint up: all are tried \(panic\)$/)

  const client = await Visitor.connect(edgeAddress.v4, 80)
  const startMs = performance.now()
  t.is(await client.ended(), 'rst', 'an end that is not clean does not look clean')
  const tookMs = performance.now() - startMs
  t.true(tookMs <= budgetMs + 5_000, `closed after ${tookMs} ms`)
  const [, , , , , , told] = await spliceway.told(7)
  t.like(told, {
    endpoint: null,
    cause: 'endpoint-down',
    phase: 'connect',
    closed: { first: 'proxy', how: 'rst' },
  })
  for (const { host } of stage.gateways) {
    const tried = told?.attempts.filter(({ endpoint }) => endpoint === `${host}:9080`) ?? []
    t.true(tried.length > 0 && tried.every(({ error }) => error === 'ECONNREFUSED'), `${host} was tried`)
  }

  const mark = spliceway.mark
  await Promise.all(stage.gateways.map((gateway) => gateway.start()))
  await spliceway.log(/3 of 3 endpoints up/, mark)
  const again = await visits(9, 1, edgeAddress.v4, 80)
  t.is(nodes(again), 'abc')
  t.deepEqual(errors(again), {})
})

test('a restart of all gateways that is shorter than connect.budget is not seen by a client that waits', async (t, stage) => {
  t.teardown(() => Promise.all(stage.gateways.map((gateway) => gateway.start())))
  const spliceway = await stage.spliceway(t, config(stage, probes, 15_000))
  await Promise.all(stage.gateways.map((gateway) => gateway.kill()))
  await spliceway.log(/no endpoint up/)
  const dials = async () => {
    const counts = await spliceway.metrics()
    const names = [...counts.keys()].filter((name) =>
      name.startsWith('spliceway_upstream_connect_attempts_total{'),
    )
    return names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0)
  }
  const waiting = visit(edgeAddress.v4, 80)
  while ((await dials()) <= 3) await new Promise((resolve) => setTimeout(resolve, 10))
  await Promise.all(stage.gateways.map((gateway) => gateway.start()))
  t.like(await waiting, { error: null })
  const [told] = await spliceway.told(1)
  t.true((told?.attempts.length ?? 0) > 3, 'it was tried more than once around')
})

test('a connection that a gateway served keeps its gateway while others fail', async (t, stage) => {
  await stage.spliceway(t, config(stage, probes))
  const client = await Visitor.connect(edgeAddress.v4, 80)
  t.teardown(() => client.close())
  const before = await client.get('/')
  const others = stage.gateways.filter(({ name }) => name !== nodeOf(before))
  await Promise.all(others.map((gateway) => gateway.kill()))
  t.teardown(() => Promise.all(others.map((gateway) => gateway.start())))
  const after = await client.get('/')
  t.is(nodeOf(after), nodeOf(before))
  t.is(after.headers.get('x-connection'), before.headers.get('x-connection'))
})
