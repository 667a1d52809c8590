import test from 'ava'
import { Forwarder } from '../helpers/forwarder.ts'

const hourMs = 3_600_000

for (const plane of ['net', 'splice'] as const) {
  for (const stepMs of [hourMs, -hourMs]) {
    test.serial(
      `${plane}: a step of the wall clock by ${stepMs} ms says nothing of the workers`,
      async (t) => {
        const forwarder = await Forwarder.start({ plane, workers: 2 })
        const ages = () => forwarder.app.status().workers.map(({ heartbeatAgeMs }) => heartbeatAgeMs)
        const wallMs = Date.now
        try {
          // Of this thread only: a worker's last sign of life is from before the step.
          Date.now = () => wallMs() + stepMs
          t.deepEqual(forwarder.app.live(), { ok: true, reasons: [] })
          t.true(ages().every((ageMs) => ageMs < hourMs / 2))
          // An age that does not grow would hide a worker that hangs.
          const before = Math.max(...ages())
          await forwarder.until(() => Math.max(...ages()) > before)
        } finally {
          Date.now = wallMs
        }
        await forwarder.close()
      },
    )
  }
}
