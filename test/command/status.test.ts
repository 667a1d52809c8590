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
