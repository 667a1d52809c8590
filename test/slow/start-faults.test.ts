import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { cli } from '../end-to-end/spliceway.ts'
import { namespacesMissing } from '../helpers/netns.ts'
import { Backend, closedPort, dialPeer, echo } from '../helpers/peer.ts'
import { Program } from '../helpers/program.ts'

interface Scene {
  readonly port: number
  readonly folder: string
  /** Starts the program; its workers of one of these planes throw at once. */
  readonly start: (plane: string, broken: readonly string[]) => Promise<Program>
}

async function scene(t: ExecutionContext): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-start-'))
  const backend = await Backend.start({ onPeer: echo })
  const port = await closedPort()
  t.teardown(async () => {
    await backend.close()
    rmSync(folder, { recursive: true })
  })
  const preload = join(folder, 'preload.mjs')
  writeFileSync(
    preload,
    `import { isMainThread, workerData } from 'node:worker_threads'
const broken = (process.env.BROKEN_PLANES ?? '').split(',')
if (!isMainThread && broken.includes(workerData?.plane)) throw new Error('injected: no ' + workerData.plane)
`,
  )
  const start = async (plane: string, broken: readonly string[]): Promise<Program> => {
    const file = join(folder, 'edge.yaml')
    writeFileSync(
      file,
      `listeners: [{ name: main, listen: "127.0.0.1:${port}", pool: echo }]
pools: { echo: { endpoints: ["127.0.0.1:${backend.port}"], health: off } }
workers: 2
plane: ${plane}
admin: { listen: off, socket: off }
`,
    )
    const env = {
      NODE_OPTIONS: `--import=${pathToFileURL(preload)}`,
      BROKEN_PLANES: broken.join(),
    }
    const program = await Program.start([process.execPath, cli, 'run', '-c', file], { env })
    t.teardown(() => program.kill())
    return program
  }
  return { port, folder, start }
}

test('plane auto: when every worker dies at its start on splice, the net plane serves, and the log says why', async (t) => {
  const { port, start } = await scene(t)
  const program = await start('auto', ['splice'])
  await program.line(
    /the splice plane is given up: every worker died 3 times at its start: .*injected: no splice/,
  )
  await program.line(/bytes move by the net plane: every worker died/)
  const client = await dialPeer(port)
  client.end('hello')
  t.is((await client.readAll()).bytes.toString(), 'hello')
  program.tell('SIGINT')
  t.deepEqual(await program.exit, { code: 0, signal: null })
})

for (const plane of ['auto', 'splice', 'net']) {
  test(`plane ${plane}: when no plane works, the program ends with a message instead of trying for ever`, async (t) => {
    const { start } = await scene(t)
    const program = await start(plane, ['splice', 'net'])
    await program.line(/^spliceway: every worker died 3 times at its start: .*injected/)
    t.deepEqual(await program.exit, { code: 1, signal: null })
  })
}

test('SIGTERM ends a program whose workers die at their start', async (t) => {
  const { start } = await scene(t)
  const program = await start('splice', ['splice'])
  await program.line(/worker 1 died/)
  program.tell('SIGTERM')
  t.deepEqual(await program.exit, { code: 0, signal: null })
})

const reason = namespacesMissing() ?? (spawnSync('unshare', ['--version']).error && 'no unshare here')
const inNamespace = reason ? test.skip : test
const suffix = reason ? ` (skipped: ${reason})` : ''

for (const when of ['at its start', 'while it serves'] as const) {
  inNamespace(`a resolver that does not answer does not hold the exit ${when}${suffix}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-resolver-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'resolv.conf'), 'nameserver 127.0.0.99\noptions timeout:10 attempts:2\n')
    writeFileSync(join(folder, 'nsswitch.conf'), 'hosts: dns\n')
    const silent = `require('node:dgram').createSocket('udp4').on('message', () => console.log('asked')).bind(53, '127.0.0.99', () => console.log('silent'))`
    const names = when === 'at its start' ? 'endpoints: ["nobody.example:80"]' : 'endpoints: ["127.0.0.1:9"]'
    const late = when === 'at its start' ? '' : 'late: { endpoints: ["nobody.example:80"] }'
    const config = (more: string) => `listeners: [{ name: main, listen: "127.0.0.1:8080", pool: web }]
pools:
  web: { ${names}, health: off }
  ${more}
workers: 1
admin: { listen: off, socket: off }
drain: { notReadyDelay: 0s }
`
    const file = join(folder, 'edge.yaml')
    writeFileSync(file, config(''))
    const script = `ip link set lo up
mount --bind ${folder}/resolv.conf /etc/resolv.conf
mount --bind ${folder}/nsswitch.conf /etc/nsswitch.conf
${process.execPath} -e "${silent}" &
exec ${process.execPath} ${cli} run -c ${file}`
    const program = await Program.start(['unshare', '--mount', '--net', 'sh', '-c', script])
    t.teardown(() => program.kill())
    await program.line(/^silent$/)
    if (when === 'while it serves') {
      await program.line(/bytes move by/)
      writeFileSync(file, config(late))
      program.tell('SIGHUP')
    }
    await program.line(/^asked$/)
    const startMs = performance.now()
    program.tell('SIGTERM')
    await program.line(/"msg":"stopped"/)
    while (alive(program.pid)) await new Promise((resolve) => setTimeout(resolve, 10))
    // The resolver would take 20 s.
    t.true(performance.now() - startMs < 10_000, `it took ${performance.now() - startMs} ms`)
  })
}

function alive(pid: number): boolean {
  const state = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim()
  return state !== '' && !state.startsWith('Z')
}
