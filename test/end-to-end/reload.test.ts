import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { nginxPorts } from '../helpers/nginx.ts'
import { Program } from '../helpers/program.ts'
import { onStage } from './on-stage.ts'
import type { Spliceway } from './spliceway.ts'
import { edgeAddress, type Stage } from './stage.ts'
import { nodeOf, refused, visit } from './traffic.ts'
import { Visitor } from './visitor.ts'

const test = onStage(2)

/** One listener a port, all to the same pool. `more`: further lines. */
function config(stage: Stage, ports: readonly number[], more = ''): string {
  const listeners = ports.map((port) => `  - { name: port-${port}, listen: "[::]:${port}", pool: web }`)
  return `listeners:
${listeners.join('\n')}
pools:
  web: { endpoints: ${stage.endpoints(nginxPorts.http)}, balance: round-robin }
${more}`
}

/** A connection that must not notice what happens around it. */
class Witness {
  readonly visitor: Visitor
  readonly #connection: string | undefined

  private constructor(visitor: Visitor, connection: string | undefined) {
    this.visitor = visitor
    this.#connection = connection
  }

  static async on(t: ExecutionContext, port: number): Promise<Witness> {
    const visitor = await Visitor.connect(edgeAddress.v4, port)
    t.teardown(() => visitor.close())
    const { headers } = await visitor.get('/')
    return new Witness(visitor, headers.get('x-connection'))
  }

  /** It is served over the same connection to the same gateway as at first. */
  async served(t: ExecutionContext): Promise<void> {
    t.is((await this.visitor.get('/')).headers.get('x-connection'), this.#connection)
  }
}

async function serves(t: ExecutionContext, port: number): Promise<void> {
  t.is((await visit(edgeAddress.v4, port)).error, null)
}

async function ports(spliceway: Spliceway): Promise<string[]> {
  return (await spliceway.status()).listeners.map(({ address }) => address)
}

for (const [how, ask] of [
  ['SIGHUP', (spliceway: Spliceway) => spliceway.program.tell('SIGHUP')],
  ['spliceway reload', (spliceway: Spliceway) => spliceway.command('reload')],
  ['a changed file', () => {}],
] as const) {
  test(`${how}: a new listener is bound, a removed one closed, and an unchanged one keeps its connections`, async (t, stage) => {
    const file = stage.configFile(config(stage, [80, 81]))
    const spliceway = await stage.splicewayWith(t, file)
    const [staying, leaving] = [await Witness.on(t, 80), await Witness.on(t, 81)]
    const mark = spliceway.mark
    writeFileSync(file, config(stage, [80, 82]))
    await ask(spliceway)
    const told = await spliceway.log(/configuration/, mark)
    t.true(told.startsWith(`configuration reloaded from ${file}:\n`), told)
    t.true(told.includes('\n  - listeners.port-81\n  + listeners.port-82: {'), told)
    await serves(t, 82)
    await serves(t, 80)
    await refused(edgeAddress.v4, 81)
    await staying.served(t)
    await leaving.served(t)
    t.deepEqual(await ports(spliceway), ['[::]:80', '[::]:82'])
  })
}

test('the swap of a ConfigMap is a change like any other', async (t, stage) => {
  // As the kubelet does it: FILE -> ..data/FILE, ..data -> ..TIME; a new ..data is renamed over the old one.
  const folder = dirname(stage.configFile(''))
  const put = (time: string, text: string): void => {
    mkdirSync(join(folder, time))
    writeFileSync(join(folder, time, 'edge.yaml'), text)
    symlinkSync(time, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  put('..2026_01_01', config(stage, [80]))
  symlinkSync('..data/edge.yaml', join(folder, 'edge.yaml'))
  const spliceway = await stage.splicewayWith(t, join(folder, 'edge.yaml'))
  const witness = await Witness.on(t, 80)
  put('..2026_01_02', config(stage, [80, 82]))
  await spliceway.log(/configuration reloaded/)
  await serves(t, 82)
  await witness.served(t)
})

for (const [how, broken, message] of [
  [
    'a misspelt key',
    (good: string) => good.replace('balance:', 'balanse:'),
    /unknown key `balanse`[\s\S]*--> FILE:5:55\n/,
  ],
  ['a file that is no YAML', (good: string) => `${good}\n{`, /^error: [\s\S]*--> FILE:\d+:\d+\n/],
  ['`workers`', (good: string) => `${good}workers: 1\n`, /only a restart can change `workers`/],
  [
    '`workers` and `admin`',
    (good: string) => `${good}workers: 1\nadmin: { listen: off }\n`,
    /can change `workers`, `admin`/,
  ],
] as const) {
  test(`a reload with ${how} changes nothing and says why`, async (t, stage) => {
    const file = stage.configFile(config(stage, [80]))
    const spliceway = await stage.splicewayWith(t, file)
    const witness = await Witness.on(t, 80)
    // Whatever else is new in the file is not applied either.
    writeFileSync(file, broken(config(stage, [80, 82])))
    const expected = new RegExp(message.source.replace('FILE', file))
    const said = await spliceway.command('reload')
    t.like(said, { code: 1, out: '' })
    t.regex(said.err, expected)
    const logged = await spliceway.log(/configuration not reloaded/)
    t.true(logged.startsWith('configuration not reloaded, nothing has changed:\n'))
    t.regex(logged.slice(logged.indexOf('\n') + 1), expected)
    await refused(edgeAddress.v4, 82)
    await witness.served(t)
    const { config: state, workers } = await spliceway.status()
    t.false(state.lastReload.successful)
    t.regex(state.lastReload.message, expected)
    t.is((await spliceway.metrics()).get('spliceway_config_last_reload_successful'), 0)
    t.true(workers.every(({ restarts }) => restarts === 0))

    writeFileSync(file, config(stage, [80, 82]))
    t.is((await spliceway.command('reload')).code, 0)
    await serves(t, 82)
    await witness.served(t)
    t.is((await spliceway.metrics()).get('spliceway_config_last_reload_successful'), 1)
  })
}

test('a reload with a listener on a taken port changes nothing and names the holder', async (t, stage) => {
  const file = stage.configFile(config(stage, [80]))
  const spliceway = await stage.splicewayWith(t, file)
  const holder = await Program.start(stage.edge.command(process.execPath, '-e', hold(82)))
  t.teardown(() => holder.kill())
  await holder.line(/listening/)
  writeFileSync(file, config(stage, [80, 81, 82]))
  const said = await spliceway.command('reload')
  t.is(said.code, 1)
  const expected = `cannot listen on [::]:82: the port is taken, held by node (pid ${holder.pid}), uid 0;`
  t.true(said.err.startsWith(expected), said.err)
  await refused(edgeAddress.v4, 81)
  await serves(t, 80)
  t.deepEqual(await ports(spliceway), ['[::]:80'])
})

function hold(port: number): string {
  return `require('node:net').createServer().listen(${port}, () => console.log('listening'))`
}

test('an endpoint that leaves gets no new connections and keeps those it has', async (t, stage) => {
  const file = stage.configFile(config(stage, [80]))
  const spliceway = await stage.splicewayWith(t, file)
  const witness = await Witness.on(t, 80)
  const node = nodeOf(await witness.visitor.get('/'))
  const other = stage.gateways.find(({ name }) => name !== node)
  if (other === undefined) throw new Error('the stage has two gateways')
  const all = config(stage, [80])
  writeFileSync(file, all.replace(stage.endpoints(nginxPorts.http), `[${other.host}:${nginxPorts.http}]`))
  t.is((await spliceway.command('reload')).code, 0)
  for (let i = 0; i < 8; i++) t.like(await visit(edgeAddress.v4, 80), { error: null, node: other.name })
  await witness.served(t)
})
