import { nginxPorts } from '../helpers/nginx.ts'
import { onStage } from './on-stage.ts'
import { edgeAddress } from './stage.ts'
import { errors, visits } from './traffic.ts'

const test = onStage(3)

const count = 2_400
/** Of an even share. The kernel spreads by a hash: with four workers three standard deviations are 10 %. */
const tolerance = 0.2

for (const workers of [2, 4]) {
  test(`${count} short connections spread over ${workers} workers within 20 % of even`, async (t, stage) => {
    const spliceway = await stage.spliceway(
      t,
      `listeners:
  - { name: http, listen: "[::]:80", pool: web }
pools:
  web: { endpoints: ${stage.endpoints(nginxPorts.http)} }
workers: ${workers}
`,
    )
    const made = await visits(count, 24, edgeAddress.v4, 80)
    t.deepEqual(errors(made), {})
    const shares = new Map<string, number>()
    for (const { id } of await spliceway.told(count)) {
      const [, worker = ''] = id.split('-')
      shares.set(worker, (shares.get(worker) ?? 0) + 1)
    }
    const even = count / workers
    t.is(shares.size, workers)
    for (const [worker, share] of shares) {
      t.true(Math.abs(share - even) <= tolerance * even, `worker ${worker} got ${share}, even is ${even}`)
    }
    t.log(`connections a worker: ${[...shares.values()].join(', ')}`)
  })
}
