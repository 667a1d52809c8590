import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ava, { type ExecutionContext } from 'ava'
import { Backend, closedPort, dialPeer, echo } from '../helpers/peer.ts'
import { Program } from '../helpers/program.ts'

const cli = fileURLToPath(new URL('../../src/cli.mjs', import.meta.url))
const there = spawnSync('systemd-socket-activate', ['--version']).error === undefined
const test = there ? ava : ava.skip
const suffix = there ? '' : ' (skipped: no systemd-socket-activate here)'

interface Scene {
  readonly port: number
  readonly other: number
  /** Starts the program with sockets at these addresses; it comes up with the first connection. */
  readonly activate: (...listen: readonly string[]) => Promise<Program>
}

async function scene(t: ExecutionContext, workers: number): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-activation-'))
  const backend = await Backend.start({ onPeer: echo })
  const [port, other] = [await closedPort(), await closedPort()]
  const file = join(folder, 'edge.yaml')
  writeFileSync(
    file,
    `listeners: [{ name: main, listen: "127.0.0.1:${port}", pool: echo }]
pools: { echo: { endpoints: ["127.0.0.1:${backend.port}"], health: off } }
workers: ${workers}
admin: { listen: off, socket: off }
`,
  )
  t.teardown(async () => {
    await backend.close()
    rmSync(folder, { recursive: true })
  })
  return {
    port,
    other,
    async activate(...listen) {
      const sockets = listen.map((address) => `--listen=${address}`)
      const setenv = '--setenv=PATH'
      const program = await Program.start([
        'systemd-socket-activate',
        setenv,
        ...sockets,
        process.execPath,
        cli,
        'run',
        '-c',
        file,
      ])
      t.teardown(() => program.kill())
      await program.line(/Listening on/)
      return program
    },
  }
}

for (const workers of [1, 3]) {
  test(`a socket that systemd has bound is served by ${workers} worker(s), and the connection that started the program first${suffix}`, async (t) => {
    const { port, activate } = await scene(t, workers)
    const program = await activate(`127.0.0.1:${port}`)
    const first = await dialPeer(port) // nobody runs yet: it waits in the queue
    first.end('first')
    t.is((await first.readAll()).bytes.toString(), 'first')
    t.regex(
      await program.line(/socket activation/),
      /started with 1 listening socket of 1 listener that were bound before/,
    )
    for (let i = 0; i < 10; i++) {
      const next = await dialPeer(port)
      next.end('next')
      t.is((await next.readAll()).bytes.toString(), 'next')
    }
    await program.line(/bytes move by/)
    program.tell('SIGINT')
    t.deepEqual(await program.exit, { code: 0, signal: null })
  })
}

test(`a socket that no listener has is closed with a warning${suffix}`, async (t) => {
  const { port, other, activate } = await scene(t, 2)
  const program = await activate(`127.0.0.1:${other}`, `127.0.0.1:${port}`)
  const client = await dialPeer(port)
  client.end('served')
  t.is((await client.readAll()).bytes.toString(), 'served')
  const warning: { level: string; msg: string } = JSON.parse(await program.line(/is not used/))
  t.is(warning.level, 'warn')
  t.regex(warning.msg, new RegExp(`not used: no listener has its address, 127\\.0\\.0\\.1:${other},`))
  await t.throwsAsync(dialPeer(other), { message: /ECONNREFUSED/ })
})
