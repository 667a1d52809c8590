import { onStage } from '../end-to-end/on-stage.ts'
import { edgeAddress, type Stage } from '../end-to-end/stage.ts'
import { errors, Traffic } from '../end-to-end/traffic.ts'
import { nginxPorts } from '../helpers/nginx.ts'

/** The gateways close a connection on which nothing was said for a second. */
const headerTimeoutMs = 1_000
const test = onStage(2, ['splice', 'net'], { headerTimeout: '1s' })

const config = (stage: Stage, maxAge: string) => `listeners:
  - { name: http, listen: "[::]:80", pool: web }
pools:
  web:
    endpoints: ${stage.endpoints(nginxPorts.http)}
    warm: { connections: 16, maxAge: ${maxAge} }
workers: 2
`

/** Sum over all endpoints of the series of a metric whose labels match. */
function sumOf(metrics: ReadonlyMap<string, number>, series: RegExp): number {
  return [...metrics].filter(([name]) => series.test(name)).reduce((sum, [, value]) => sum + value, 0)
}

/** Clients at 60/s in three spells; before each, everything that waits grows older than the gateways bear. */
async function spells(count: number) {
  const made = []
  for (let spell = 0; spell < 3; spell++) {
    await new Promise((resolve) => setTimeout(resolve, 1.5 * headerTimeoutMs))
    const traffic = new Traffic(60, edgeAddress.v4, 80, 8)
    await traffic.more(count)
    made.push(...(await traffic.stop()))
  }
  return made
}

test("with maxAge below the gateways' header timeout no client sees an error, and 99 of 100 find a warm connection", async (t, stage) => {
  const spliceway = await stage.spliceway(t, config(stage, '500ms'))
  const made = await spells(120)
  const metrics = await spliceway.metrics()
  const [hit, miss] = [sumOf(metrics, /warm_pool_hit_total/), sumOf(metrics, /warm_pool_miss_total/)]
  t.log(`${made.length} clients: ${hit} hits, ${miss} misses`)
  t.deepEqual(errors(made), {})
  t.is(sumOf(metrics, /warm_pool_stale_total/), 0)
  t.is(hit + miss, made.length)
  t.true(hit / made.length >= 0.99)
})

test('with maxAge above it the gateways close what waits, which is counted, and so is every client that was hit', async (t, stage) => {
  const spliceway = await stage.spliceway(t, config(stage, '25s'))
  const made = await spells(60)
  await spliceway.told(made.length)
  const metrics = await spliceway.metrics()
  const waiting = sumOf(metrics, /warm_pool_stale_total\{.*found="waiting"/)
  const used = sumOf(metrics, /warm_pool_stale_total\{.*found="used"/)
  const failed = made.filter(({ error }) => error !== null).length
  t.log(
    `${made.length} clients: ${waiting} connections were closed while they waited, ${used} in use, ${failed} clients failed`,
  )
  t.true(waiting > 0)
  t.is(failed, used)
})
