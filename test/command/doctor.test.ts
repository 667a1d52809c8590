import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { cli } from '../end-to-end/spliceway.ts'
import { Backend, closedPort } from '../helpers/peer.ts'
import { run } from '../helpers/program.ts'

const folder = mkdtempSync(join(tmpdir(), 'spliceway-doctor-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

function doctor(...args: readonly string[]) {
  return run([process.execPath, cli, 'doctor', ...args], { env: { RUNTIME_DIRECTORY: folder } })
}

function configured(name: string, port: number): string {
  const file = join(folder, name)
  writeFileSync(
    file,
    `listeners: [{ name: http, listen: "127.0.0.1:0", pool: web }]\npools: { web: { endpoints: ["127.0.0.1:${port}"] } }\nadmin: { listen: off }\n`,
  )
  return file
}

test('it exits with 1 when something blocks, and says how to see it', async (t) => {
  const port = await closedPort()
  const said = await doctor('-c', configured('refused.yaml', port))
  t.is(said.code, 1)
  t.true(
    said.out.startsWith(
      `blocks  gateway-refuses\n        nobody listens on 127.0.0.1:${port}, an endpoint of pool web\n`,
    ),
    said.out,
  )
  t.regex(said.out, new RegExp(`\\n {2}see: {2}ss -Hltnp sport = :${port}\\n {2}do: {3}start it`))
  t.regex(said.out, /refused\.yaml: 1 blocks, /)
})

test('its JSON has findings, and what was not seen', async (t) => {
  const backend = await Backend.start()
  t.teardown(() => backend.close())
  const said = await doctor('-c', configured('good.yaml', backend.port), '--json')
  const { findings, unseen } = JSON.parse(said.out)
  t.true(Array.isArray(unseen))
  const found: readonly { code: string; severity: string }[] = findings
  t.deepEqual(
    found.filter(({ severity }) => severity === 'blocks').map(({ code }) => code),
    [],
  )
  t.true(found.some(({ code }) => code === 'not-running'))
  t.is(said.code, 0)
})

test('asked to speak to gateways, it finds one that does not answer', async (t) => {
  const backend = await Backend.start()
  t.teardown(() => backend.close())
  const said = await doctor('-c', configured('silent.yaml', backend.port), '--probe')
  t.regex(said.out, /gateway-silent/)
  t.is(said.code, 1)
})

test('a configuration with mistakes, and arguments that it does not take, are refused', async (t) => {
  const file = join(folder, 'bad.yaml')
  writeFileSync(file, 'nonsense: 1\n')
  t.is((await doctor('-c', file)).code, 78)
  t.is((await doctor('now')).code, 2)
  t.is((await doctor('--fix')).code, 2)
})
