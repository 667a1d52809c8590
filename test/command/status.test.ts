import test from 'ava'
import { renderStatus } from '../../src/command/status.ts'
import { exampleStatus } from '../telemetry/example-app.ts'

test('status says of a pool without an endpoint whether all are tried or clients wait', (t) => {
  const note = (panic: boolean, waiting: boolean) => {
    const [pool] = exampleStatus.pools
    if (pool === undefined) throw new Error('the example has no pool')
    const text = renderStatus({ ...exampleStatus, pools: [{ ...pool, panic, waiting }] })
    return text.split('\n').filter((line) => line.includes('no endpoint'))
  }
  t.deepEqual(note(false, false), [])
  t.deepEqual(note(true, false), ['panic: no endpoint of pool web is up, so all are tried'])
  t.deepEqual(note(false, true), ['waiting: no endpoint of pool web is up, and panic is off: clients wait'])
})

test('columns that say nothing are left out, and a terminal of 80 columns shows whole lines', (t) => {
  const brief = renderStatus(exampleStatus, { brief: true, columns: 80 })
  for (const line of brief.split('\n')) t.true(line.length <= 80, line)
  t.notRegex(brief, /RESTARTS/)
  t.regex(brief, /^web-tls +10\.0\.0\.5:9443 +down +250ms +1 +0 +said/m) // NAME and WEIGHT had no room
  const [pool] = exampleStatus.pools
  const plain = renderStatus({ ...exampleStatus, pools: pool === undefined ? [] : [pool] }, { brief: true })
  t.regex(plain, /^POOL +ENDPOINT +STATE +FOR +ACTIVE +REASON$/m)
  t.regex(plain, /^web +127\.0\.0\.1:9080 +up +2h3m +3 +tcp connect in 1 ms$/m)
  t.regex(renderStatus(exampleStatus), /RESTARTS/)
})

test('whatever a status holds, 80 columns are enough', (t) => {
  const long = 'x'.repeat(70)
  const pools = exampleStatus.pools.map((pool) => ({
    ...pool,
    name: long,
    endpoints: pool.endpoints.map((each) => ({ ...each, endpoint: long, name: long, reason: long })),
  }))
  const tables = renderStatus({ ...exampleStatus, pools }, { brief: true, columns: 80 })
  const lines = tables.split('\n').filter((line) => !/^(panic|waiting|full):/.test(line))
  for (const line of lines) t.true(line.length <= 80, line)
})
