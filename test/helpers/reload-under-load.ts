import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Loaded } from '../../src/app.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { renderProblem } from '../../src/config/problem.ts'
import { Forwarder } from './forwarder.ts'
import { type LoadResult, startLoad } from './load.ts'

export interface Reloading {
  readonly plane: 'net' | 'splice'
  readonly reloads: number
  /** From one to the next. */
  readonly everyMs: number
  /** New connections, of which at most a hundred are open. */
  readonly perSecond: number
  /** Connections that must outlive all of it. */
  readonly lasting: number
}

/** Reads and applies a file, as the program does. */
export function load(file: string): Loaded {
  const parsed = parseConfig(readFileSync(file, 'utf8'), { file: 'edge.yaml', env: {} })
  if (parsed.kind === 'ok') return { kind: 'ok', config: parsed.config, warnings: [] }
  return { kind: 'invalid', message: parsed.problems.map((problem) => renderProblem(problem)).join('\n\n') }
}

/**
 * What changes from one generation to the next: timeouts, a listener and a pool that come and go, an endpoint beside the one
 * that stays. The listener `main` and the pool and endpoint behind it are the same in all.
 */
export function configText(plane: string, backend: number, generation: number): string {
  const odd = generation % 2 === 1
  return `workers: 1
plane: ${plane}
admin: { socket: off, listen: off }
log: { access: none }
timeouts: { idle: ${3600 + generation}s }
listeners:
  - { name: main, listen: "127.0.0.1:0", pool: web }
${odd ? '  - { name: second, listen: "127.0.0.1:0", pool: other }\n' : ''}pools:
  web:
    endpoints: [127.0.0.1:${backend}${odd ? `, { address: "127.0.0.2:${backend}", priority: 1 }` : ''}]
    balance: round-robin
    health: off
${odd ? `  other: { endpoints: [127.0.0.1:${backend}], health: off }\n` : ''}`
}

/** Reloads while connections come; returns what they noticed. */
export async function reloadUnderLoad(t: ExecutionContext, how: Reloading): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-'))
  const file = join(folder, 'edge.yaml')
  const traffic = await startLoad()
  t.teardown(() => {
    traffic.kill()
    rmSync(folder, { recursive: true })
  })
  const put = (generation: number) => writeFileSync(file, configText(how.plane, traffic.backend, generation))
  put(0)
  const loaded = load(file)
  if (loaded.kind === 'invalid') throw new Error(loaded.message)
  const source = { name: file, load: () => load(file) }
  const forwarder = await Forwarder.start({ plane: how.plane, config: loaded.config, source })
  t.teardown(() => forwarder.app.stop())
  const { port } = forwarder
  await traffic.begin(port, how.perSecond, how.lasting)
  for (let generation = 1; generation <= how.reloads; generation++) {
    put(generation)
    t.deepEqual(await forwarder.app.reload(), { ok: true, message: `applied ${file}` })
    t.is(forwarder.port, port)
    await new Promise((resolve) => setTimeout(resolve, how.everyMs)) // the load goes on between two reloads
  }
  const result = await traffic.stop()
  await forwarder.close()
  return result
}
