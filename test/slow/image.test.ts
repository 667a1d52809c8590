import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { Program, run } from '../helpers/program.ts'
import { execForm, stageOf } from '../packaging/dockerfile.ts'
import {
  as,
  buildByHand,
  environment,
  inOwnNetwork,
  moved,
  stages,
  whyNotByHand,
} from '../packaging/image.ts'

const last = stageOf(stages, null)
const uid = '64080:64080'

const reason = whyNotByHand()
const byHand = reason === null ? test : test.skip
const suffix = reason === null ? '' : ` (skipped: ${reason})`

byHand(
  `the image's steps, run by hand, make a program that starts from files it cannot write${suffix}`,
  async (t) => {
    t.timeout(400_000) // a package manager, and a program started a dozen times
    const root = await buildByHand()
    t.teardown(() => rmSync(root, { recursive: true }))
    const before = listing(root)

    t.is(capabilities(join(root, 'usr/local/bin/spliceway-node')), 'cap_net_bind_service=ep')
    const plain = join(root, 'app/node_modules', `node-linux-${process.arch}`)
    t.is(capabilities(join(plain, 'bin/node')), '', 'probes run without')
    t.deepEqual(readdirSync(plain).toSorted(), [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin',
      'package.json',
    ])
    t.false(existsSync(join(root, 'app/node_modules/ava')), 'no development packages')

    await forwards(t, root)
    await bindsPort80(t, root)
    await needsTheCapability(t, root)

    t.deepEqual(listing(root), before, 'nothing was written beside the admin socket')
  },
)

/** The program as the image starts it; `prefix`, which comes before its command, makes it the image's user. */
async function start(
  t: ExecutionContext,
  root: string,
  config: string,
  prefix: readonly string[] = as(uid),
): Promise<Program> {
  const [entrypoint = ''] = last.instructions.flatMap(({ keyword, text }) =>
    keyword === 'ENTRYPOINT' ? [text] : [],
  )
  const command = (execForm(entrypoint) ?? []).map((word) => moved(word, root))
  mkdirSync(join(root, 'etc'), { recursive: true })
  const file = join(root, 'etc/spliceway.yaml')
  writeFileSync(file, config)
  const variables = last.instructions.filter(({ keyword }) => keyword === 'ENV')
  const env = Object.fromEntries(variables.flatMap((each) => environment(each, root)))
  const program = await Program.start([...prefix, ...command, 'run', '-c', file], {
    env: { ...env, NODE_DEBUG_NATIVE: 'COMPILE_CACHE' },
  })
  t.teardown(() => program.kill())
  return program
}

async function forwards(t: ExecutionContext, root: string): Promise<void> {
  const gateway = createServer((socket) => socket.end('hello from the gateway'))
  gateway.listen(0, '127.0.0.1')
  t.teardown(() => gateway.close())
  await once(gateway, 'listening')
  const address = gateway.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const config = `{ forward: { "127.0.0.1:0": "127.0.0.1:${port}" }, admin: { listen: off } }`
  const program = await start(t, root, config)
  const listening = /listening on 127\.0\.0\.1:(\d+)/.exec(await program.line(/listening on 127/))?.[1]
  await program.line(/admin socket open/)
  t.is(await text(connect(Number(listening), '127.0.0.1')), 'hello from the gateway')
  await program.line(/"msg":"connection".*"cause":"none"/)
  await program.line(/code cache for ESM \S+\/src\/app\.ts was accepted/)
  program.tell('SIGINT')
  t.is((await program.exit).code, 0)
}

/** As the image's user in a Pod: `drop: [ALL]`, what is added, and `allowPrivilegeEscalation: false`. */
function inPod(...added: readonly string[]): readonly string[] {
  const bounding = ['-all', ...added.map((name) => `+${name}`)].join(',')
  return [...as(uid), '--bounding-set', bounding, '--inh-caps', '-all', '--no-new-privs']
}

async function bindsPort80(t: ExecutionContext, root: string): Promise<void> {
  const config = '{ forward: { "0.0.0.0:80": "127.0.0.1:9080" }, admin: { listen: off } }'
  const program = await start(t, root, config, [...inOwnNetwork, ...inPod('net_bind_service')])
  await program.line(/listening on 0\.0\.0\.0:80 /)
  await program.line(/admin socket open/)
  const status = readFileSync(`/proc/${program.pid}/status`, 'utf8')
  t.regex(status, /^Uid:\t64080\t/m)
  t.regex(status, /^CapBnd:\t0000000000000400$/m)
  t.regex(status, /^CapEff:\t0000000000000400$/m)
  t.regex(status, /^NoNewPrivs:\t1$/m)
  const probe = [...inPod(), join(root, 'usr/local/bin/spliceway')]
  const socket = join(root, 'run/spliceway/spliceway.sock')
  const said = await run([...probe, 'ready', '--socket', socket])
  t.is(said.code, 0, `a probe needs no capability: ${said.out}${said.err}`)
  program.tell('SIGINT')
  t.is((await program.exit).code, 0)
}

/** The message that people will search for. */
async function needsTheCapability(t: ExecutionContext, root: string): Promise<void> {
  const words = [join(root, 'usr/local/bin/spliceway-node'), join(root, 'app/src/cli.mjs'), 'version']
  const refused = await run([...inPod(), ...words])
  t.not(refused.code, 0)
  t.regex(refused.err, /Operation not permitted/)
  t.is((await run([...inPod('net_bind_service'), ...words])).code, 0)
}

/** `cap_net_bind_service=ep`; empty: the file has none. */
function capabilities(file: string): string {
  const said = execFileSync('getcap', [file], { encoding: 'utf8' })
  return said.trim().split(' ').slice(1).join(' ')
}

/** Every file with its time, what the test itself writes left out. */
function listing(root: string): readonly string[] {
  return readdirSync(join(root, 'app'), { recursive: true, encoding: 'utf8' })
    .map((path) => ({ path, stat: statSync(join(root, 'app', path)) }))
    .filter(({ stat }) => stat.isFile())
    .map(({ path, stat }) => `${path} ${stat.mtimeMs}`)
}
