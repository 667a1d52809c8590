import { Cluster } from '../test/helpers/cluster.ts'
import { namespacesMissing } from '../test/helpers/netns.ts'
import { findNginx } from '../test/helpers/nginx.ts'
import { countSyns } from '../test/helpers/syns.ts'
import { figures } from './failover/figures.ts'
import { refused, startForwarder } from './failover/forwarders.ts'
import type { ForwarderName, ScenarioName } from './failover/names.ts'
import { keptCount, rate, runScenario, type Windows } from './failover/run.ts'
import { type Scenario, scenarios } from './failover/scenarios.ts'
import { tableOf } from './failover/table.ts'
import { failoverTargets, targetsTable } from './failover/targets.ts'
import { momentsOf, type Timeline } from './failover/timeline.ts'
import type { Bench } from './harness/bench.ts'
import type { Child } from './harness/children.ts'
import { missing } from './harness/peers.ts'
import type { Sample } from './harness/rounds.ts'

const windows: Windows = { warmUpMs: 2_000, calmMs: 10_000, faultMs: 9_000, recoveryMs: 4_000 }
const quickWindows: Windows = { warmUpMs: 1_000, calmMs: 4_000, faultMs: 5_000, recoveryMs: 3_000 }

/** What do clients notice when gateway nodes fail? */
export async function failover(bench: Bench): Promise<void> {
  const { report } = bench
  const nginx = findNginx()
  const reason = nginx === null ? 'nginx is not installed' : namespacesMissing()
  if (nginx === null || reason !== null) {
    report.say(`left out: failover (${reason})`)
    return
  }
  const cluster = new Cluster({ nginx })
  const remove = (): void => cluster.remove()
  process.once('exit', remove)
  try {
    await measureAll(bench, cluster)
  } finally {
    await bench.children.end()
    await cluster.close()
    process.off('exit', remove)
  }
}

async function measureAll(bench: Bench, cluster: Cluster): Promise<void> {
  const { report, children, faults } = bench
  // The forwarder dials a few addresses thousands of times.
  cluster.forwarder.run('sysctl', '-q', '-w', 'net.ipv4.tcp_tw_reuse=1')
  await cluster.start()
  const syns = countSyns(cluster)
  const url = new URL('./load/visits.ts', import.meta.url)
  const { child: load } = await children.script(url, [], { core: null, namespace: cluster.client.name })
  report.say(
    `failover: ${rate} new connections a second beside ${keptCount} that stay; tcp_tw_reuse=1 for the forwarders`,
  )
  const measured = new Map<ScenarioName, ReadonlyMap<string, Sample>>()
  for (const scenario of scenarios) {
    if (faults.length > 0 && !faults.includes(scenario.name)) continue
    const samples = new Map<string, Sample>()
    for (const name of contenders(bench, cluster, scenario)) {
      samples.set(name, await measure(bench, cluster, syns, load, scenario, name))
    }
    measured.set(scenario.name, samples)
    report.say(`\n### failover, ${scenario.name}: ${scenario.title}\n\n${tableOf(samples)}\n`)
  }
  const targets = failoverTargets(measured)
  for (const target of targets) report.keep('failover-judged', target)
  report.say(`\n### failover, targets\n\n${targetsTable(targets)}\n`)
}

function contenders(bench: Bench, cluster: Cluster, { also }: Scenario): readonly ForwarderName[] {
  const { report } = bench
  const all: readonly ForwarderName[] = ['spliceway', 'HAProxy', ...also]
  const wanted = all.filter((name) => {
    const why = refused(bench, cluster, name)
    if (why !== null) report.say(`left out: ${name} (${why})`)
    return why === null
  })
  const lacking = missing('HAProxy', null)
  if (lacking === null) return wanted
  report.say(`left out: HAProxy (${lacking} is not installed)`)
  return wanted.filter((name) => name.startsWith('spliceway'))
}

async function measure(
  bench: Bench,
  cluster: Cluster,
  syns: () => readonly number[],
  load: Child,
  scenario: Scenario,
  name: ForwarderName,
): Promise<Sample> {
  const forwarder = await startForwarder(bench, cluster, name)
  const run = await runScenario(
    bench,
    cluster,
    syns,
    load,
    scenario,
    bench.quick ? quickWindows : windows,
  ).finally(() => forwarder.end())
  const sample = figures(run)
  const [{ completeMs }] = run.strikes
  const timeline: Timeline = {
    scenario: scenario.name,
    title: scenario.title,
    forwarder: name,
    mendedS: (run.mendedMs - completeMs) / 1000,
    moments: momentsOf(run),
  }
  bench.report.keep('failover', { scenario: scenario.name, forwarder: name, sample })
  bench.report.keep('failover-timeline', timeline)
  return sample
}
