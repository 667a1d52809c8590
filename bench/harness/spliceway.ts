import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.ts'
import type { Child } from './children.ts'
import type { Place, Target } from './place.ts'
import { folderFor } from './user.ts'

export interface SplicewayOptions {
  readonly plane?: 'splice' | 'net' | 'auto'
  readonly backend: Target
  /** `all` goes through a pipe; the benchmark reads it and drops it. */
  readonly access: 'all' | 'none'
  /** Beside our own. */
  readonly env?: NodeJS.ProcessEnv
}

export interface Spliceway {
  readonly child: Child
  readonly port: number
  /** Admin socket. */
  readonly socket: string
}

const cli = fileURLToPath(new URL('../../src/cli.mjs', import.meta.url))
/** A start takes a quarter of a second. */
const patienceMs = 10_000

/** Starts the program as a user does; resolves when it says that it listens. */
export async function startSpliceway(
  bench: Bench,
  options: SplicewayOptions,
  { host, namespace, core, workers, probed }: Place,
): Promise<Spliceway> {
  const { backend, access, plane = 'auto', env = {} } = options
  const folder = folderFor(bench.user, bench.folder, 'spliceway-')
  const socket = join(folder, 'admin.sock')
  const file = join(folder, 'spliceway.yaml')
  writeFileSync(
    file,
    `listeners: [{ name: bench, listen: "${host}:0", pool: bench }]
pools: { bench: { endpoints: ["${backend.host}:${backend.port}"]${probed ? '' : ', health: off'} } }
workers: ${workers}
plane: ${plane}
drain: { notReadyDelay: 0s, window: 0s, deadline: 0s }
admin: { socket: "${socket}", listen: off }
log: { access: ${access} }
`,
  )
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const timer = setTimeout(
    () => reject(new Error(`spliceway did not listen within ${patienceMs} ms`)),
    patienceMs,
  )
  let said: string | null = ''
  const child = bench.children.start(process.execPath, [cli, 'run', '-c', file], {
    core,
    namespace,
    uid: bench.user.uid,
    env: { ...process.env, ...env },
    printed(text) {
      if (said === null) return
      said += text
      const port = /"address":"[\d.]+:(\d+)"/.exec(said)?.[1]
      if (port === undefined) return
      said = null
      resolve(Number(port))
    },
  })
  void child.ended().then(() => reject(new Error('spliceway ended before it listened')))
  const port = await promise.finally(() => clearTimeout(timer))
  return { child, port, socket }
}
