import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { doctor } from '../../src/command/doctor.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { cli } from '../end-to-end/spliceway.ts'
import { Backend, closedPort } from '../helpers/peer.ts'
import { run } from '../helpers/program.ts'

const folder = mkdtempSync(join(tmpdir(), 'spliceway-doctor-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

/** By this process; how the program itself is asked, the tests in test/slow know as well. */
async function asked(port: number, some: { readonly json?: boolean; readonly probe?: boolean } = {}) {
  const text = `listeners: [{ name: http, listen: "127.0.0.1:0", pool: web }]
pools: { web: { endpoints: ["127.0.0.1:${port}"] } }
admin: { listen: off }
`
  const parsed = parseConfig(text, { file: 'edge.yaml', env: {} })
  if (parsed.kind !== 'ok') throw new Error('the configuration is wrong')
  let said = ''
  const out = {
    write: (more: string) => {
      said += more
    },
  }
  const file = { name: 'edge.yaml', config: parsed.config }
  const socket = join(folder, 'nobody.sock')
  const code = await doctor({ file, socket, json: false, probe: false, out, ...some })
  return { code, said }
}

test.serial('it exits with 1 when something blocks, and says how to see it', async (t) => {
  const port = await closedPort()
  const { code, said } = await asked(port)
  t.is(code, 1)
  const first = `blocks  gateway-refuses\n        nobody listens on 127.0.0.1:${port}, an endpoint of pool web\n`
  t.true(said.startsWith(`${first}  see:  ss -Hltnp sport = :${port}\n  do:   start it`), said)
  t.regex(said, /\nedge\.yaml: 1 blocks, /)
})

test.serial('its JSON has findings, and what was not seen', async (t) => {
  const backend = await Backend.start()
  t.teardown(() => backend.close())
  const { code, said } = await asked(backend.port, { json: true })
  const { findings, unseen } = JSON.parse(said)
  t.true(Array.isArray(unseen))
  const found: readonly { code: string; severity: string }[] = findings
  t.deepEqual(
    found.filter(({ severity }) => severity === 'blocks').map((each) => each.code),
    [],
  )
  t.true(found.some((each) => each.code === 'not-running'))
  t.is(code, 0)
})

test.serial('asked to speak to gateways, it finds one that does not answer', async (t) => {
  const backend = await Backend.start()
  t.teardown(() => backend.close())
  const { code, said } = await asked(backend.port, { probe: true })
  t.regex(said, /gateway-silent/)
  t.is(code, 1)
})

test.serial('a configuration with mistakes, and arguments that it does not take, are refused', async (t) => {
  const file = join(folder, 'bad.yaml')
  writeFileSync(file, 'nonsense: 1\n')
  const program = (...args: readonly string[]) => run([process.execPath, cli, 'doctor', ...args])
  t.is((await program('-c', file)).code, 78)
  t.is((await program('now')).code, 2)
  t.is((await program('--fix')).code, 2)
})
