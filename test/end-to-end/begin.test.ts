import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Program, run } from '../helpers/program.ts'
import { cli } from './spliceway.ts'

/** The program with its admin socket in a folder of mode `mode`, and nothing on a fixed port. */
async function start(t: ExecutionContext, mode: number, flags: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-begin-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const place = join(folder, 'place')
  mkdirSync(place)
  chmodSync(place, mode)
  const socket = join(place, 'admin.sock')
  const file = join(folder, 'edge.yaml')
  writeFileSync(
    file,
    `listeners: [{ name: http, listen: "127.0.0.1:0", pool: web }]
pools: { web: { endpoints: ["127.0.0.1:1"], health: off } }
admin: { socket: ${socket}, listen: off }
workers: 1
drain: { notReadyDelay: 0s, window: 0s, deadline: 1s }
`,
  )
  const program = await Program.start([process.execPath, ...flags, cli, 'run', '-c', file], {
    env: { KUBERNETES_SERVICE_HOST: '' },
  })
  t.teardown(() => program.kill())
  await program.line(/"msg":"admin socket open"/)
  return { program, socket, file }
}

test('the first line says which version runs, on which Node, with which file', async (t) => {
  const { program, file } = await start(t, 0o700)
  const first = JSON.parse(program.lines[0] ?? '')
  t.like(first, { level: 'info', node: process.version, pid: program.pid, config: file })
  t.is(first.msg, `spliceway ${first.version} begins, configured by ${file}`)
  t.notRegex(program.lines.join('\n'), /not safe/)
})

test('a folder of the admin socket that others may write to is warned of', async (t) => {
  const { program } = await start(t, 0o777)
  t.regex(await program.line(/the admin socket is not safe/), /"level":"warn".*\(mode 777\)/)
})

for (const flags of [[], ['--disable-sigusr1']]) {
  test(`SIGUSR1 opens no debugger and ends nothing: node ${flags.join(' ')}`, async (t) => {
    const { program, socket } = await start(t, 0o700, flags)
    program.tell('SIGUSR1')
    program.tell('SIGHUP')
    await program.line(/"msg":"configuration reloaded/)
    t.is((await run([process.execPath, cli, 'live', '--socket', socket])).out, 'live\n')
    t.notRegex(program.lines.join('\n'), /[Dd]ebugger|inspector/)
    program.tell('SIGTERM')
    t.deepEqual(await program.exit, { code: 0, signal: null })
  })
}
