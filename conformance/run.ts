import { writeFileSync } from 'node:fs'
import type { Case, Verdict } from './case.ts'
import { cases as allCases, topics } from './cases.ts'
import { documentFile, documentOf } from './document.ts'
import { Judge, type Judged } from './judge.ts'
import { type Options, parseOptions, usage } from './options.ts'
import type { Peer } from './peer.ts'
import { columnOf, readRecord, writeRecord } from './record.ts'
import { Sockets } from './sockets.ts'

process.stdout.on('error', () => process.exit(1)) // `| head` has seen enough

const options = parseOptions(process.argv.slice(2))
if (typeof options === 'string') {
  process.stderr.write(`conformance: ${options}\n\n${usage}`)
  process.exitCode = 2
} else if (options.task === 'list') {
  list(options)
} else if (options.task === 'draw') {
  draw()
} else {
  await run(options)
}

function list({ cases }: Options): void {
  for (const topic of topics) {
    const listed = topic.cases.filter((one) => cases.includes(one))
    if (listed.length > 0) process.stdout.write(`${topic.title}\n`)
    for (const { id, title } of listed) process.stdout.write(`  ${id.padEnd(28)} ${title}\n`)
  }
}

/** Exit code 1 when a case fails, or a peer cannot be started; of --write only the latter. */
async function run({ peers, cases, json, task }: Options): Promise<void> {
  const sockets = new Sockets()
  let judge: Judge | null = null
  process.once('exit', () => judge?.closeAtOnce())
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => process.exit(code))
  }
  const judged = async (peer: Peer, chosen: readonly Case[]): Promise<ReadonlyMap<string, Verdict>> => {
    judge = new Judge(peer, sockets)
    return judge.judge(chosen, say(peer, json))
  }
  for (const peer of peers) {
    const lacking = peer.missing()
    if (lacking !== null) {
      process.stderr.write(`conformance: ${peer.name} needs ${lacking}\n`)
      process.exitCode = 1
      continue
    }
    if (!json) process.stdout.write(`${peer.title}: ${peer.version()}\n`)
    const first = await judged(peer, cases)
    if (task === 'write') keep(peer, cases, [first, await judged(peer, cases)])
    else if ([...first.values()].some(({ kind }) => kind === 'fail')) process.exitCode = 1
  }
  if (task === 'write') draw()
}

function draw(): void {
  writeFileSync(documentFile, documentOf(readRecord()))
}

function say(peer: Peer, json: boolean): Judged {
  return (one, { kind, seen }, tookMs) => {
    const seconds = Number((tookMs / 1_000).toFixed(1))
    process.stdout.write(
      json
        ? `${JSON.stringify({ peer: peer.name, case: one.id, verdict: kind, seen, seconds })}\n`
        : `  ${kind.padEnd(6)} ${one.id.padEnd(28)} ${seen}\n`,
    )
  }
}

/** After each peer: a run of all takes a while. Cases that are no more are forgotten. */
function keep(peer: Peer, cases: readonly Case[], runs: Parameters<typeof columnOf>[3]): void {
  const columns = readRecord()
  const column = columnOf(
    peer,
    cases,
    columns.find((one) => one.peer === peer.name),
    runs,
  )
  const known = Object.entries(column.cells).filter(([name]) => allCases.some(({ id }) => id === name))
  writeRecord([
    ...columns.filter((one) => one.peer !== peer.name),
    { ...column, cells: Object.fromEntries(known) },
  ])
}
