import { spawnSync } from 'node:child_process'
import { nginxPorts } from '../helpers/nginx.ts'
import { Program, run, type Said } from '../helpers/program.ts'
import { onStage, skip } from './on-stage.ts'
import { cli } from './spliceway.ts'
import { edgeAddress, type Stage } from './stage.ts'
import { visit } from './traffic.ts'

const test = onStage(1)

const good = `listeners:
  - { name: http, listen: "[::]:80", pool: web }
pools:
  web: { endpoints: [127.0.0.2:9080] }
`

/** The program on the edge, to its end; its admin socket would be in the stage's folder. */
function spliceway(stage: Stage, ...args: readonly string[]): Promise<Said> {
  const env = { RUNTIME_DIRECTORY: stage.folder }
  return run(stage.edge.command(process.execPath, cli, ...args), { env })
}

for (const [how, args] of [
  ['run with a file', (stage: Stage) => ['run', '-c', stage.configFile(good)]],
  ['forward', () => ['forward', `80=127.0.0.2:${nginxPorts.http}`]],
] as const) {
  test(`${how}: a port that is taken is exit code 75, and the message names its holder and uid`, async (t, stage) => {
    const holder = await stage.spliceway(t, good)
    const said = await spliceway(stage, ...args(stage))
    t.is(said.code, 75)
    t.is(
      said.err,
      `spliceway: cannot listen on [::]:80: the port is taken, held by spliceway (pid ${holder.program.pid}), uid 0; ` +
        'this process is uid 0\n' +
        `  stop the holder or give the listener another port; "ss -ltnp 'sport = :80'" as root shows it too\n`,
    )
    t.is((await visit(edgeAddress.v4, 80)).error, null, 'the holder serves on')
  })
}

test('a port that nginx has: the message says nginx', async (t, stage) => {
  const file = stage.configFile(good.replace('[::]:80', `127.0.0.2:${nginxPorts.tls}`))
  const said = await spliceway(stage, 'run', '-c', file)
  t.is(said.code, 75)
  t.regex(
    said.err,
    /^spliceway: cannot listen on 127\.0\.0\.2:9443: the port is taken, held by nginx \(pid \d+\), uid 0; /,
  )
})

/** As root without the capability: a checkout that only root can read is no reason to skip. */
const powerless = ['setpriv', '--bounding-set=-net_bind_service'] as const
const withSetpriv = spawnSync('setpriv', ['--version']).status === 0 ? test : skip('setpriv is not installed')

withSetpriv(
  'a port below 1024 without the capability is exit code 1, and the message says how to get it',
  async (t, stage) => {
    const said = await run(
      stage.edge.command(...powerless, process.execPath, cli, 'forward', '80=127.0.0.2:9080'),
    )
    t.is(said.code, 1, said.err)
    t.regex(
      said.err,
      /^spliceway: cannot listen on \[::\]:80: .*CAP_NET_BIND_SERVICE, which uid 0 does not have\n/,
    )
    t.regex(said.err, /AmbientCapabilities=CAP_NET_BIND_SERVICE/)
    t.regex(said.err, /setcap cap_net_bind_service/)
    t.notRegex(said.err, /\n {4}at /, 'no stack trace')
  },
)

test('an address that the host has not is exit code 1, and the message names it', async (t, stage) => {
  const said = await spliceway(stage, 'run', '-c', stage.configFile(good.replace('[::]', '10.99.0.77')))
  t.is(said.code, 1)
  t.regex(said.err, /^spliceway: cannot listen on 10\.99\.0\.77:80: this host has no such address\n/)
})

test('forward serves without a configuration file', async (t, stage) => {
  const argv = [process.execPath, cli, 'forward', `80=127.0.0.2:${nginxPorts.http}`] as const
  const program = await Program.start(stage.edge.command(...argv), {
    env: { RUNTIME_DIRECTORY: stage.folder },
  })
  t.teardown(() => program.kill())
  await program.line(/admin page open/)
  t.is((await visit(edgeAddress.v4, 80)).error, null)
})
