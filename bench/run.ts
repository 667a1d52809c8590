import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { autocannonPart } from './autocannon.ts'
import { banner } from './banner.ts'
import { bulk, bulkVeth } from './bulk.ts'
import { drawChart } from './chart.ts'
import { connectionsPart } from './connections.ts'
import { drawTimelines } from './failover/draw.ts'
import { failover } from './failover.ts'
import type { Part } from './harness/bench.ts'
import { Children } from './harness/children.ts'
import { machine } from './harness/machine.ts'
import { Namespaces } from './harness/namespaces.ts'
import { haproxyVersion } from './harness/peers.ts'
import { choosePins } from './harness/pins.ts'
import { Progress } from './harness/progress.ts'
import { Report } from './harness/report.ts'
import { chooseUser } from './harness/user.ts'
import { latency } from './latency.ts'
import { memory } from './memory.ts'
import { netPlane } from './net-plane.ts'
import { type Options, type PartName, parseOptions, usage } from './options.ts'
import { requests } from './requests.ts'
import { spread } from './spread.ts'
import { startup } from './startup.ts'
import { workers } from './workers.ts'
import { wrkPart } from './wrk.ts'

const parts: Readonly<Record<PartName, Part>> = {
  requests: (bench) => requests(bench),
  connections: (bench) => connectionsPart(bench),
  bulk: (bench) => bulk(bench),
  'bulk-veth': bulkVeth,
  latency,
  banner,
  memory,
  workers,
  wrk: wrkPart,
  autocannon: autocannonPart,
  startup,
  spread,
  'net-plane': netPlane,
  failover,
}

const options = parseOptions(process.argv.slice(2))
if (typeof options === 'string') {
  process.stderr.write(`bench: ${options}\n\n${usage}`)
  process.exitCode = 2
} else {
  await run(options)
}

/** Runs the parts one after the other. Whatever happens, no process is left. */
async function run({ parts: chosen, chart, ...shared }: Options): Promise<void> {
  const children = new Children()
  const namespaces = new Namespaces()
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-bench-'))
  chmodSync(folder, 0o755) // forwarders are other users, with folders of their own in it
  const clean = (): void => {
    children.kill()
    namespaces.remove()
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', clean)
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => process.exit(code))
  }
  const pins = choosePins()
  const user = chooseUser()
  const facts = machine(`${pins.note}; ${user.note}`)
  const results = new URL('./results/', import.meta.url)
  const report = new Report(results, facts, (text) => process.stdout.write(text))
  const { cpu, cores, memoryGiB, kernel, node, commit, date } = facts
  report.say(
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}, commit ${commit}, ${date}`,
  )
  report.say(
    `${facts.pins}; medians of ${shared.rounds} interleaved rounds; the log goes through a pipe that is read`,
  )
  if (shared.haproxy !== null) report.say(`HAProxy, given: ${haproxyVersion(shared.haproxy)}`)
  const progress = new Progress(chosen.length, (text) => process.stderr.write(text), process.stderr.isTTY)
  try {
    for (const name of chosen) {
      progress.begins(name)
      await parts[name]({ ...shared, children, namespaces, pins, user, report, progress, folder })
    }
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  } finally {
    report.targets()
    await children.end()
  }
  if (!chart) return
  try {
    drawTimelines(results, new URL('./failover.svg', import.meta.url))
    drawChart(results, new URL('./chart.svg', import.meta.url))
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
