import { spawnSync } from 'node:child_process'
import type { Bench } from './bench.ts'
import type { Answer } from './children.ts'
import type { Contender } from './contenders.ts'
import { sampleOf } from './http-load.ts'
import { cpuNs } from './process-cost.ts'
import type { Sample } from './rounds.ts'

const script = new URL('../load/wrk.lua', import.meta.url).pathname

export interface WrkQuestion {
  /** At the same time. */
  readonly connections: number
  /** Whole ones. */
  readonly seconds: number
  /** A connection a request: wrk asks for it, and the origin ends first. */
  readonly close: boolean
}

/** `wrk/4.1.0`; null: it is not installed. */
export function wrkVersion(): string | null {
  const { stdout } = spawnSync('wrk', ['-v'], { encoding: 'utf8' }) // and exits with 1
  const version = /\d+\.\d+\.\d+/.exec(stdout ?? '')?.[0]
  return version === undefined ? null : `wrk/${version}`
}

/** One slice of load by wrk with one thread, through a contender. */
export async function wrkSlice(bench: Bench, contender: Contender, question: WrkQuestion): Promise<Sample> {
  const { connections, seconds, close } = question
  const { name, forwarder, target } = contender
  const used = (): number => (forwarder === null ? 0 : cpuNs(forwarder.pid))
  let said = ''
  const beforeNs = used()
  const wrk = bench.children.start(
    'wrk',
    [
      ...['--threads', '1', '--connections', String(connections), '--duration', `${seconds}s`],
      ...['--latency', '--script', script, ...(close ? ['--header', 'Connection: close'] : [])],
      `http://${target.host}:${target.port}/`,
    ],
    {
      core: bench.pins.load,
      printed: (text) => {
        said += text
      },
    },
  )
  await wrk.closed()
  const usedNs = used() - beforeNs
  return sampleOf(contender, answerOf(name, said), forwarder === null ? null : usedNs)
}

function answerOf(name: string, said: string): Answer {
  const line = /^\{.*\}$/m.exec(said)?.[0]
  if (line === undefined) throw new Error(`${name}: wrk told no result: ${said.trim() || 'nothing at all'}`)
  return JSON.parse(line)
}
