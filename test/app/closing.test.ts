import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Forwarder } from '../helpers/forwarder.ts'
import { startLoad } from '../helpers/load.ts'
import { load as loadFile } from '../helpers/reload-under-load.ts'

/** Each closes a listening socket of each worker under load. */
const removals = 3

function configText(plane: string, backend: number, listeners: readonly string[]): string {
  return `workers: 2
plane: ${plane}
admin: { socket: off, listen: off }
log: { access: none }
listeners:
${listeners.map((name) => `  - { name: ${name}, listen: "127.0.0.1:0", pool: web }\n`).join('')}pools:
  web: { endpoints: ["127.0.0.1:${backend}"], health: off }
`
}

for (const plane of ['net', 'splice'] as const) {
  test.serial(`${plane}: whoever connects while a listener is removed is served or refused`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-'))
    const file = join(folder, 'edge.yaml')
    t.teardown(() => rmSync(folder, { recursive: true }))
    for (let i = 0; i < removals; i++) {
      const traffic = await startLoad()
      t.teardown(() => traffic.kill())
      const put = (...listeners: string[]) =>
        writeFileSync(file, configText(plane, traffic.backend, listeners))
      put('main', 'second')
      const loaded = loadFile(file)
      if (loaded.kind === 'invalid') return t.fail(loaded.message)
      const source = { name: file, load: () => loadFile(file) }
      const forwarder = await Forwarder.start({ plane, config: loaded.config, source })
      t.teardown(() => forwarder.app.stop())
      const port = forwarder.portOf('second')
      await traffic.begin(port, 3_000, 1)
      put('main')
      t.deepEqual(await forwarder.app.reload(), { ok: true, message: `applied ${file}` })
      await t.throwsAsync(once(connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' })
      const { errors } = await traffic.stop()
      t.deepEqual(
        Object.keys(errors).filter((error) => !error.includes('ECONNREFUSED')),
        [],
      )
      await forwarder.close()
    }
  })
}
