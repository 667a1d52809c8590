import type { Bench } from './harness/bench.ts'
import { loopback } from './harness/place.ts'
import { residentBytes } from './harness/process-cost.ts'
import { inRounds, type Sample } from './harness/rounds.ts'
import { startSpliceway } from './harness/spliceway.ts'
import { folderFor } from './harness/user.ts'

/** Fewer say little of something that takes a fifth of a second. */
const leastRounds = 9
/** Nobody listens there: a start does not wait for endpoints. */
const backend = { host: '127.0.0.1', port: 9 }
const workers = 2
const node = 'node -e 0'

/** How long from exec until both workers listen, and how does that compare with an empty Node? */
export async function startup(bench: Bench): Promise<void> {
  const warmCache = folderFor(bench.user, bench.folder, 'cache-')
  const starts: readonly { readonly name: string; readonly env: () => NodeJS.ProcessEnv }[] = [
    { name: 'compile cache warm', env: () => ({ NODE_COMPILE_CACHE: warmCache }) },
    {
      name: 'compile cache cold',
      env: () => ({ NODE_COMPILE_CACHE: folderFor(bench.user, bench.folder, 'cache-') }),
    },
    { name: 'compile cache off', env: () => ({ NODE_DISABLE_COMPILE_CACHE: '1' }) },
  ]
  const contenders = [{ name: node, measure: () => emptyNode(bench) }].concat(
    starts.map(({ name, env }) => ({ name, measure: () => start(bench, env()) })),
  )
  const measure = ({ measure }: (typeof contenders)[number]) => measure()
  bench.report.table({
    part: 'startup',
    title: `startup: exec to listening with ${workers} workers, not pinned; ${node}: exec to exit`,
    baseline: node,
    columns: [
      { key: 'ms', title: 'ms', digits: 0, main: true },
      { key: 'residentMiB', title: 'resident MiB', digits: 0 },
    ],
    samples: await inRounds(
      bench.progress,
      contenders,
      Math.max(leastRounds, bench.rounds),
      measure,
      measure,
    ),
  })
}

async function emptyNode({ children }: Bench): Promise<Sample> {
  const startMs = performance.now()
  await children.start(process.execPath, ['-e', '0'], { core: null }).ended()
  return { ms: performance.now() - startMs }
}

/** The cache is written at the exit, so the start is ended as a user would. */
async function start(bench: Bench, env: NodeJS.ProcessEnv): Promise<Sample> {
  const startMs = performance.now()
  const place = { ...loopback(bench), workers, core: null }
  const { child } = await startSpliceway(bench, { backend, access: 'none', env }, place)
  const ms = performance.now() - startMs
  const residentMiB = residentBytes(child.pid).now / 2 ** 20
  await child.end('SIGINT')
  return { ms, residentMiB }
}
