import type { Bench } from './bench.ts'
import type { Child } from './children.ts'
import { startSpliceway } from './spliceway.ts'

/** Somewhere to connect to. */
export interface Target {
  readonly host: string
  readonly port: number
}

/** One way from the load to the backend. */
export interface Contender {
  readonly name: ContenderName
  /** null: there is no forwarder. */
  readonly forwarder: Child | null
  readonly target: Target
}

/** `pipe (A/A)` is `pipe` once more: its ratio to `pipe` is the noise of the run. */
export type ContenderName =
  | 'direct'
  | 'pipe'
  | 'pipe (A/A)'
  | 'data'
  | 'plane'
  | 'spliceway, log off'
  | 'spliceway, log on'

/** What the program is compared with, and what everything is compared to. */
export const baseline: ContenderName = 'pipe'
export const standard: readonly ContenderName[] = [
  'direct',
  'pipe',
  'pipe (A/A)',
  'spliceway, log off',
  'spliceway, log on',
]
/** One worker each, so that like is compared with like. */
const workers = 1

/** Starts one forwarder a name; the i-th goes to `backend(i)`, so that none uses up the local ports of another. */
export async function startContenders(
  bench: Bench,
  names: readonly ContenderName[],
  backend: (index: number) => Target,
): Promise<Contender[]> {
  const contenders: Contender[] = []
  for (const [index, name] of names.entries()) contenders.push(await start(bench, name, backend(index)))
  return contenders
}

async function start(bench: Bench, name: ContenderName, backend: Target): Promise<Contender> {
  switch (name) {
    case 'direct':
      return { name, forwarder: null, target: backend }
    case 'pipe':
    case 'pipe (A/A)':
      return script(bench, name, new URL('../pipe-proxy.ts', import.meta.url), backend)
    case 'data':
      return script(bench, name, new URL('../data-proxy.ts', import.meta.url), backend)
    case 'plane':
      return script(bench, name, new URL('../plane-proxy.ts', import.meta.url), backend)
    case 'spliceway, log off':
    case 'spliceway, log on': {
      const access = name === 'spliceway, log on' ? 'all' : 'none'
      const { port, child } = await startSpliceway(bench, { backend, workers, access })
      return { name, forwarder: child, target: { host: '127.0.0.1', port } }
    }
  }
}

async function script(
  bench: Bench,
  name: ContenderName,
  url: URL,
  { host, port }: Target,
): Promise<Contender> {
  const { child, ready } = await bench.children.script(url, [host, String(port)], {
    core: bench.pins.forwarder,
  })
  return { name, forwarder: child, target: { host: '127.0.0.1', port: Number(ready.port) } }
}
