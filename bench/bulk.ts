import type { Bench } from './harness/bench.ts'
import {
  all,
  type Contender,
  type ContenderName,
  judged,
  startContenders,
  withGiven,
} from './harness/contenders.ts'
import { makeVeth } from './harness/namespaces.ts'
import { loopback, type Place } from './harness/place.ts'
import { cpuNs } from './harness/process-cost.ts'
import { inRounds, type Sample } from './harness/rounds.ts'
import { bestPeers, type Measure } from './harness/verdict.ts'

/** At the same time. */
const connections = 4
/** A namespace with one rule for one port, and no load of this kind. */
const elsewhere: ContenderName = 'iptables REDIRECT'

interface Road {
  readonly id: 'lo' | 'veth'
  readonly place: Place
  readonly server: { readonly namespace: string | null; readonly host: string }
  readonly client: string | null
  readonly targets: { readonly cpu: number; readonly throughput: number }
}

/** What does a gigabyte cost over loopback, to the endpoint and from it? */
export async function bulk(
  bench: Bench,
  names: readonly ContenderName[] = bench.everyone ? all : judged,
  baseline: ContenderName = 'nginx',
): Promise<void> {
  const place = { ...loopback(bench), probed: false }
  const server = { namespace: null, host: '127.0.0.1' }
  const targets = { cpu: 0.97, throughput: 1 }
  await along(bench, { id: 'lo', place, server, client: null, targets }, names, baseline)
}

/** The same between network namespaces: client, forwarder and server each have one, joined by veth pairs. */
export async function bulkVeth(bench: Bench): Promise<void> {
  if (process.getuid?.() !== 0) {
    bench.report.say('left out: bulk-veth (network namespaces need root)')
    return
  }
  const veth = makeVeth(bench.namespaces)
  const place = {
    ...loopback(bench),
    host: veth.forwarderHost,
    namespace: veth.forwarder,
    probed: false,
  }
  const server = { namespace: veth.server, host: veth.serverHost }
  const targets = { cpu: 0.55, throughput: 1.1 }
  const road: Road = { id: 'veth', place, server, client: veth.client, targets }
  await along(bench, road, bench.everyone ? all : judged, 'nginx')
}

async function along(
  bench: Bench,
  { id, place, server, client, targets }: Road,
  names: readonly ContenderName[],
  baseline: ContenderName,
): Promise<void> {
  const { children, pins, sliceSeconds: seconds } = bench
  const url = new URL('./load/bulk-peer.ts', import.meta.url)
  const end = (host: string, namespace: string | null) =>
    children.script(url, [host], { core: pins.load, namespace })
  const serving = await end(server.host, server.namespace)
  const { child: asking } = await end('127.0.0.1', client)
  const backend = { host: server.host, port: Number(serving.ready.port) }
  const wanted = names.filter((name) => name !== elsewhere)
  const contenders = await startContenders(bench, withGiven(wanted, bench), () => backend, place)
  for (const way of ['up', 'down'] as const) {
    const measure = async ({ name, forwarder, target }: Contender): Promise<Sample> => {
      const act = (sends: boolean) => ({ act: sends ? 'send' : 'receive', seconds, connections })
      const beforeNs = forwarder === null ? 0 : cpuNs(forwarder.pid)
      const loadNs = (): number => cpuNs(serving.child.pid) + cpuNs(asking.pid)
      const loadBeforeNs = loadNs()
      const [there, here] = await Promise.all([
        serving.child.ask({ side: 'server', ...act(way === 'down') }),
        asking.ask({ side: 'client', ...act(way === 'up'), ...target }),
      ])
      const usedNs = forwarder === null ? 0 : cpuNs(forwarder.pid) - beforeNs
      if (there.bytes !== here.bytes)
        throw new Error(`${name}: ${there.bytes} and ${here.bytes} bytes, ${way}`)
      const received = way === 'up' ? there : here
      const [bytes, tookSeconds] = [Number(received.bytes), Number(received.seconds)]
      const gbitPerSecond = (bytes * 8) / 1e9 / tookSeconds
      const loadBusy = (loadNs() - loadBeforeNs) / 1e7 / tookSeconds
      if (forwarder === null) return { gbitPerSecond, loadBusy }
      return { cpuPerGb: usedNs / bytes, busy: usedNs / 1e7 / tookSeconds, gbitPerSecond, loadBusy }
    }
    bench.report.table({
      part: id === 'lo' ? `bulk-${way}` : `bulk-veth-${way}`,
      title: `bulk ${way} over ${id}: ${connections} connections at once for ${seconds} s`,
      baseline,
      columns: [
        { key: 'cpuPerGb', title: 'CPU s/GB', digits: 3, main: true },
        { key: 'busy', title: 'core %', digits: 0 },
        { key: 'loadBusy', title: 'load core %', digits: 0 },
        { key: 'gbitPerSecond', title: 'Gbit/s', digits: 2 },
      ],
      samples: await inRounds(bench.progress, contenders, bench.rounds, measure, measure),
      measures: measures(`bulk ${way} over ${id}`, `${id}-${way}`, targets),
    })
  }
  await children.end()
}

function measures(title: string, id: string, { cpu, throughput }: Road['targets']): readonly Measure[] {
  const who = { ours: 'spliceway', peers: bestPeers }
  return [
    {
      id: `${id}-cpu`,
      title: `${title}, CPU`,
      unit: 's/GB',
      key: 'cpuPerGb',
      better: 'less',
      target: cpu,
      ...who,
    },
    {
      id: `${id}-throughput`,
      title: `${title}, throughput`,
      unit: 'Gbit/s',
      key: 'gbitPerSecond',
      better: 'more',
      target: throughput,
      ...who,
    },
  ]
}
