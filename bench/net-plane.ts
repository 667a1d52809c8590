import { bulk } from './bulk.ts'
import { connectionsPart } from './connections.ts'
import type { Bench } from './harness/bench.ts'
import type { ContenderName } from './harness/contenders.ts'
import { requests } from './requests.ts'

/** `data` differs from `pipe` in who moves the chunks, `plane` in where they are read to (src/plane/net/buffers.ts). */
const names: readonly ContenderName[] = ['pipe', 'pipe (A/A)', 'data', 'plane']

/** What do the net plane's shared read buffers bring, without any policy around them? */
export async function netPlane(bench: Bench): Promise<void> {
  await requests(bench, names, 'pipe')
  await connectionsPart(bench, names, 'pipe')
  await bulk(bench, names, 'pipe')
}
