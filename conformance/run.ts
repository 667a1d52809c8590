import { topics } from './cases.ts'
import { Judge } from './judge.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { Sockets } from './sockets.ts'

const options = parseOptions(process.argv.slice(2))
if (typeof options === 'string') {
  process.stderr.write(`conformance: ${options}\n\n${usage}`)
  process.exitCode = 2
} else if (options.task === 'list') {
  list(options)
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

/** Exit code 1 when a case fails, or a peer cannot be started. */
async function run({ peers, cases, json }: Options): Promise<void> {
  const sockets = new Sockets()
  let judge: Judge | null = null
  process.once('exit', () => judge?.closeAtOnce())
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => process.exit(code))
  }
  for (const peer of peers) {
    const lacking = peer.missing()
    if (lacking !== null) {
      process.stderr.write(`conformance: ${peer.name} needs ${lacking}\n`)
      process.exitCode = 1
      continue
    }
    if (!json) process.stdout.write(`${peer.title}: ${peer.version()}\n`)
    const begunMs = performance.now()
    judge = new Judge(peer, sockets)
    await judge.judge(cases, (one, { kind, seen }, tookMs) => {
      if (kind === 'fail') process.exitCode = 1
      process.stdout.write(
        json
          ? `${JSON.stringify({ peer: peer.name, case: one.id, verdict: kind, seen, seconds: Number((tookMs / 1_000).toFixed(1)) })}\n`
          : `  ${kind.padEnd(6)} ${one.id.padEnd(28)} ${seen}\n`,
      )
    })
    process.stderr.write(`${((performance.now() - begunMs) / 1000).toFixed(0)} s\n`)
  }
}
