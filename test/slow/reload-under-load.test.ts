import test from 'ava'
import { reloadUnderLoad } from '../helpers/reload-under-load.ts'

for (const plane of ['net', 'splice'] as const) {
  test.serial(
    `${plane}: a hundred reloads under load are noticed by no connection, new or old`,
    async (t) => {
      const result = await reloadUnderLoad(t, {
        plane,
        reloads: 100,
        everyMs: 90,
        perSecond: 400,
        lasting: 200,
      })
      t.log(
        `${Math.round(result.served / result.seconds)} connections/s over ${result.seconds.toFixed(1)} s`,
        result,
      )
      t.deepEqual(result.errors, {})
      t.is(result.cut, 0)
      t.true(result.served > 1000)
    },
  )
}
