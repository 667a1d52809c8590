import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { startAdmin } from '../../src/admin/admin.ts'
import {
  bytesOf,
  endpointBytesOf,
  endpointKey,
  type Sample,
  topPicture,
} from '../../src/command/top-picture.ts'
import type { EndpointStatus, Status } from '../../src/core/status.ts'
import { cli } from '../end-to-end/spliceway.ts'
import { findProgram } from '../helpers/find-program.ts'
import { run } from '../helpers/program.ts'
import { Terminal } from '../helpers/terminal.ts'
import { exampleApp, exampleConnection, exampleStatus, memoryLog } from '../telemetry/example-app.ts'

const metrics = (up: number): string =>
  `spliceway_bytes_total{listener="http",direction="up"} ${up}\nspliceway_bytes_total{listener="http",direction="down"} 0\n`

function at(atMs: number, accepted: number, up: number, endpoints?: readonly EndpointStatus[]): Sample {
  const listeners = exampleStatus.listeners.map((each) => ({ ...each, accepted }))
  const pools = exampleStatus.pools.map((pool) => (endpoints === undefined ? pool : { ...pool, endpoints }))
  const status: Status = {
    ...exampleStatus,
    listeners,
    pools: pools.slice(0, endpoints === undefined ? 2 : 1),
  }
  return { atMs, status, bytes: bytesOf(metrics(up)), endpointBytes: new Map(), connections: null }
}

test('rates are those between two samples, and every line fits', (t) => {
  const text = topPicture(at(0, 100, 0), at(2_000, 150, 4_096_000), {
    order: 'active',
    show: 'endpoints',
    width: 80,
  })
  t.regex(text, /^http +\[::\]:80 +3 +- +25\.0 +2\.0M +0$/m)
  t.regex(text, /^connections 12 of 9872 \(half of the memory\)$/m)
  t.regex(text, /^web-tls +10\.0\.0\.5:9443 +down +0 +0 +0 +said \\x1b\[31m$/m)
  for (const line of text.split('\n')) t.true(line.length <= 80, line)
})

test('endpoints are sorted as asked, and what does not fit is counted', (t) => {
  const [example] = exampleStatus.pools[0]?.endpoints ?? []
  if (example === undefined) return t.fail()
  const endpoints = [9, 10, 8].map(
    (host): EndpointStatus => ({
      ...example,
      endpoint: `10.0.0.${host}:80`,
      active: host === 8 ? 5 : host,
      state: host === 8 ? 'down' : 'up',
    }),
  )
  const sample = at(0, 0, 0, endpoints)
  const order = (by: 'active' | 'state' | 'endpoint') =>
    [
      ...topPicture(sample, sample, { order: by, show: 'endpoints', width: 80 }).matchAll(
        /10\.0\.0\.(\d+):80 /g,
      ),
    ].map(([, host]) => host)
  t.deepEqual(order('active'), ['10', '9', '8'])
  t.deepEqual(order('state'), ['8', '9', '10'])
  t.deepEqual(order('endpoint'), ['8', '9', '10'])
  const small = topPicture(sample, sample, { order: 'active', show: 'endpoints', width: 80, height: 10 })
  t.regex(small, /^and 2 more$/m)
  t.true(small.trimEnd().split('\n').length <= 10)
})

test('bytes of endpoints are rates, and what endpoints may be sorted by', (t) => {
  const page = (web: number, tls: number): string =>
    [
      `spliceway_endpoint_bytes_total{pool="web",endpoint="127.0.0.1:9080",direction="up"} 0`,
      `spliceway_endpoint_bytes_total{pool="web",endpoint="127.0.0.1:9080",direction="down"} ${web}`,
      `spliceway_endpoint_bytes_total{pool="web-tls",endpoint="10.0.0.5:9443",direction="up"} ${tls}`,
    ].join('\n')
  const sample = (atMs: number, web: number, tls: number): Sample => ({
    ...at(atMs, 0, 0),
    endpointBytes: endpointBytesOf(page(web, tls)),
  })
  const view = { order: 'bytes', show: 'endpoints', width: 80 } as const
  const text = topPicture(sample(0, 1_000, 0), sample(2_000, 3_048, 4_096_000), view)
  t.regex(text, /^web-tls +10\.0\.0\.5:9443 .* 2\.0M +0 .*\n^web +127\.0\.0\.1:9080 .* 0 +1\.0K/m)
  t.deepEqual(sample(0, 1, 2).endpointBytes.get(endpointKey('web', '127.0.0.1:9080')), { up: 0, down: 1 })
})

test('clients are those who have most connections, or move most; a connection that is new counts whole', (t) => {
  const connection = (id: string, client: string, bytesDown: number) => ({
    ...exampleConnection,
    ...{ id, client, bytesDown, bytesUp: 0, state: 'data' as const },
  })
  const before: Sample = {
    ...at(0, 0, 0),
    connections: [connection('1', '203.0.113.7:1', 50_000), connection('2', '[2001:db8::5]:1', 0)],
  }
  const now: Sample = {
    ...at(1_000, 0, 0),
    connections: [
      connection('1', '203.0.113.7:1', 50_100),
      connection('2', '[2001:db8::5]:1', 10_240),
      connection('3', '203.0.113.7:2', 20),
    ],
  }
  const by = (order: 'active' | 'bytes', height = 40) =>
    topPicture(before, now, { order, show: 'clients', width: 80, height })
  t.regex(by('active'), /^CLIENT .*\n203\.0\.113\.7 +2 +0 +120 +.*\n2001:db8::5 +1 +0 +10\.0K /m)
  t.regex(by('bytes'), /^CLIENT .*\n2001:db8::5 +1 .*\n203\.0\.113\.7 +2 /m)
  t.regex(by('active', 9), /^and [12] more$/m)
  for (const line of by('active').split('\n')) t.true(line.length <= 80, line)
})

async function running(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-top-'))
  const socketPath = join(folder, 'spliceway.sock')
  const app = exampleApp()
  const admin = await startAdmin({
    app,
    log: memoryLog(),
    socketPath,
    listen: null,
    holder: async () => undefined,
  })
  t.teardown(async () => {
    await admin.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { app, admin, argv: [process.execPath, cli, 'top', '--socket', socketPath] }
}

test('without a terminal top is one picture', async (t) => {
  const { argv } = await running(t)
  const said = await run(argv)
  t.is(said.code, 0)
  t.regex(said.out, /^LISTENER .*NEW\/S/m)
  t.regex(said.out, /^POOL .*UP\/S +DOWN\/S/m)
  t.regex(said.out, /^CLIENT .*\n203\.0\.113\.7 +1 /m)
  t.false(said.out.includes('\x1b'))
})

test('without a process top says what the other commands say', async (t) => {
  const said = await run([process.execPath, cli, 'top', '--socket', '/nowhere/spliceway.sock'])
  t.is(said.code, 1)
  t.regex(said.err, /^spliceway: nothing runs at/)
})

const testPty = findProgram('python3') === null ? test.skip : test

testPty('on a terminal top is live, obeys its keys, and leaves the terminal as it was', async (t) => {
  const { app, argv } = await running(t)
  const terminal = new Terminal(argv)
  t.teardown(() => terminal.end())
  await terminal.shows(/q quits/)
  t.true(terminal.text.includes('\x1b[?1049h'))
  const first = terminal.text.length
  app.status = () => ({ ...exampleStatus, state: 'draining' })
  await terminal.shows(/draining for/, first)
  const before = terminal.text.length
  terminal.type('e') // by address: 10.… before 127.…
  await terminal.shows(/10\.0\.0\.5:9443.*127\.0\.0\.1:9080.*q quits/s, before)
  const listed = terminal.text.length
  terminal.type('c')
  await terminal.shows(/CLIENT .*203\.0\.113\.7.*q quits/s, listed)
  terminal.type('q')
  t.is(await terminal.exit, 0)
  t.true(terminal.text.endsWith('\x1b[?25h\x1b[?1049l'))
  const pictures = terminal.text.split('\x1b[H').flatMap((picture) => picture.split('\r\n'))
  for (const line of pictures.map(stripVTControlCharacters)) t.true(line.length <= 80, line)
})

testPty('when the process goes, top leaves the terminal as it was and says why', async (t) => {
  const { admin, argv } = await running(t)
  const terminal = new Terminal(argv)
  t.teardown(() => terminal.end())
  await terminal.shows(/q quits/)
  await admin.close()
  t.is(await terminal.exit, 1)
  t.true(terminal.text.includes('\x1b[?1049lspliceway: nothing runs at'))
})

for (const [name, env, colour] of [
  ['colours by level', { NO_COLOR: '' }, true],
  ['no colour where NO_COLOR is set', { NO_COLOR: '1' }, false],
] as const) {
  testPty(`the log on a terminal has ${name}`, async (t) => {
    const argv = [process.execPath, cli, 'forward', '127.0.0.1:0=127.0.0.1:1']
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-terminal-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const terminal = new Terminal(argv, { ...env, RUNTIME_DIRECTORY: folder })
    t.teardown(() => terminal.end())
    await terminal.shows(/warn .*is down/)
    t.is(terminal.text.includes('\x1b[33mwarn '), colour)
    terminal.type('\x03')
    t.is(await terminal.exit, 0)
  })
}
