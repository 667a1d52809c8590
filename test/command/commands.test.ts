import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { startAdmin } from '../../src/admin/admin.ts'
import { ask } from '../../src/command/client.ts'
import { config } from '../../src/command/config.ts'
import { drain } from '../../src/command/drain.ts'
import { endpoint } from '../../src/command/endpoint.ts'
import { logLevel } from '../../src/command/log-level.ts'
import { live, ready } from '../../src/command/ready.ts'
import { reload } from '../../src/command/reload.ts'
import { status } from '../../src/command/status.ts'
import { exampleApp, exampleStatus, memoryLog } from '../telemetry/example-app.ts'

function text() {
  let all = ''
  return {
    write(more: string) {
      all += more
    },
    toString: () => all,
  }
}

const wide = { json: false, wide: true, columns: undefined } as const

function terminal(socket: string) {
  return { socket, out: text(), err: text() }
}

function folder(t: ExecutionContext): string {
  const made = mkdtempSync(join(tmpdir(), 'spliceway-command-'))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

async function running(t: ExecutionContext) {
  const socketPath = join(folder(t), 'spliceway.sock')
  const app = exampleApp()
  const admin = await startAdmin({
    app,
    log: memoryLog(),
    socketPath,
    listen: null,
    holder: async () => undefined,
  })
  t.teardown(() => admin.close())
  return { app, at: terminal(socketPath) }
}

test('ready says so and exits with 0', async (t) => {
  const { at } = await running(t)
  t.is(await ready(at), 0)
  t.is(String(at.out), 'ready\n')
})

test('ready gives the reasons and exits with 1', async (t) => {
  const { app, at } = await running(t)
  app.reasons = ['draining']
  t.is(await ready(at), 1)
  t.is(String(at.err), 'not ready\ndraining\n')
  t.is(String(at.out), '')
})

test('live says so, or gives the reasons and exits with 1', async (t) => {
  const { app, at } = await running(t)
  t.is(await live(at), 0)
  t.is(String(at.out), 'live\n')
  app.live = () => ({ ok: false, reasons: ['worker 2 gave no sign of life for 12000 ms'] })
  t.is(await live(at), 1)
  t.is(String(at.err), 'not live\nworker 2 gave no sign of life for 12000 ms\n')
})

test('ready tells what is worth knowing nevertheless', async (t) => {
  const { app, at } = await running(t)
  app.ready = () => ({
    ok: true,
    reasons: ['listener https is at its limit of 5 connections (maxConnections)'],
  })
  t.is(await ready(at), 0)
  t.is(String(at.out), 'ready\nlistener https is at its limit of 5 connections (maxConnections)\n')
})

test('status names the limit that is reached, and a worker that is silent', async (t) => {
  const { app, at } = await running(t)
  const [http, https] = exampleStatus.listeners
  const [worker] = exampleStatus.workers
  if (http === undefined || https === undefined || worker === undefined) throw new Error('unreachable')
  app.status = () => ({
    ...exampleStatus,
    listeners: [
      { ...http, full: 'limit' },
      { ...https, full: 'listener-limit' },
    ],
    workers: [{ ...worker, heartbeatAgeMs: 6_000 }],
  })
  t.is(await status({ ...at, ...wide }), 0)
  t.regex(String(at.out), /^full: listener https is at its limit of 20000 connections \(maxConnections\)$/m)
  t.regex(String(at.out), /^full: the program is at its limit of 9872 connections \(half of the memory\)$/m)
  t.regex(String(at.out), /^1 +hung +6s /m)
})

test('status is a table', async (t) => {
  const { at } = await running(t)
  t.is(await status({ ...at, ...wide }), 0)
  t.is(
    String(at.out),
    `VERSION   STATE     UPTIME   PID    CONNECTIONS   NODE       PLANE
0.1.0     serving   5m12s    1234   12/9872       v26.10.0   net

LISTENER   ADDRESS    POOL      ACTIVE   ACCEPTED   LIMIT
http       [::]:80    web       3        120        -
https      [::]:443   web-tls   9        4321       20000

POOL      ENDPOINT         NAME              STATE   FOR     PRIORITY   WEIGHT   ACTIVE   REASON
web       127.0.0.1:9080   -                 up      2h3m    0          1        3        tcp connect in 1 ms
web-tls   10.0.0.5:9443    node-2.internal   down    250ms   1          2        0        said \\x1b[31m
panic: no endpoint of pool web-tls is up, so all are tried

POOL      SOURCE                  STATE                                    AGE   ENDPOINTS
web-tls   dns node-2.internal A   failing for 3s: the name server failed   4s    1

WORKER   STATE   LAST-SEEN   ACTIVE   RESTARTS
1        alive   120ms       12       0

CONFIG             AGE     LAST-RELOAD   MESSAGE
config/edge.yaml   1m30s   failed        error: unknown key
  --> edge.yaml:4:5
`,
  )
})

test('status --json is the answer as it came', async (t) => {
  const { at } = await running(t)
  t.is(await status({ ...at, ...wide, json: true }), 0)
  t.deepEqual(JSON.parse(String(at.out)), exampleStatus)
})

test('reload reports success, or every problem and exit code 1', async (t) => {
  const { app, at } = await running(t)
  t.is(await reload(at), 0)
  t.is(String(at.out), 'reloaded\n')
  app.problems = 'error: one\nerror: two\n'
  t.is(await reload(at), 1)
  t.is(String(at.err), app.problems)
})

test('drain begins a drain', async (t) => {
  const { app, at } = await running(t)
  t.is(await drain(at), 0)
  t.deepEqual(app.done, ['drain'])
})

test('endpoint does it in every pool that is named, and one that cannot makes the exit code 1', async (t) => {
  const { app, at } = await running(t)
  t.is(await endpoint({ ...at, args: ['web', 'web', '10.0.0.5:80', 'ready'] }), 0)
  t.is(await endpoint({ ...at, args: ['other', 'web', '10.0.0.5:80', 'drain'] }), 1)
  t.deepEqual(app.done.slice(2), ['drain other 10.0.0.5:80', 'drain web 10.0.0.5:80'])
  t.is(String(at.err), 'no such pool\nwarning: none left\n')
})

test('config shows what is in use, and on standard error what was refused and why', async (t) => {
  const { app, at } = await running(t)
  t.is(await config({ ...at, json: false }), 0)
  const text = '# config/edge.yaml, in use for 1m30s\nforward: { 80: 127.0.0.1:9080 }\n'
  t.is(String(at.out), text)
  t.is(String(at.err), '')
  app.config = () => ({
    source: 'command line',
    loadedMsAgo: 0,
    text: '80=127.0.0.1:9080',
    refused: { message: 'error: unknown key\n', msAgo: 3_000 },
  })
  t.is(await config({ ...at, json: false }), 0)
  t.is(String(at.out), `${text}# command line, in use for 0s\n# spliceway forward 80=127.0.0.1:9080\n`)
  t.is(String(at.err), 'refused 3s ago, what is in use stayed:\nerror: unknown key\n')
  const json = terminal(at.socket)
  t.is(await config({ ...json, json: true }), 0)
  t.deepEqual(JSON.parse(String(json.out)), app.config())
})

test('log sets the level, and names those that there are', async (t) => {
  const { app, at } = await running(t)
  t.is(await logLevel(at, 'warn'), 0)
  t.deepEqual(app.done, ['log warn'])
  t.is(await logLevel(at, 'loud&level=info'), 1)
  t.is(String(at.err), 'no log level `loud&level=info`; there are: debug, info, warn, error\n')
  t.deepEqual(app.done, ['log warn'])
})

test('endpoint drains an endpoint and takes it back', async (t) => {
  const { app, at } = await running(t)
  t.is(await endpoint({ ...at, args: ['web', '[2001:db8::5]:9443', 'drain'] }), 0)
  t.is(await endpoint({ ...at, args: ['web', '[2001:db8::5]:9443', 'ready'] }), 0)
  t.deepEqual(app.done, ['drain web [2001:db8::5]:9443', 'ready web [2001:db8::5]:9443'])
  t.is(await endpoint({ ...at, args: ['other', '10.0.0.5:80', 'drain'] }), 1)
  t.is(String(at.err), 'warning: none left\nno such pool\n')
})

for (const args of [
  [],
  ['web'],
  ['web', '10.0.0.5:80', 'explode'],
  ['web', '10.0.0.5:80', 'drain', 'more'],
  ['10.0.0.5:80', 'drain'],
]) {
  test(`endpoint ${args.join(' ')}: wrong usage is exit code 2 and asks nobody`, async (t) => {
    const { app, at } = await running(t)
    t.is(await endpoint({ ...at, args }), 2)
    t.regex(String(at.err), /^usage: spliceway endpoint POOL\.\.\. ENDPOINT drain\|ready/)
    t.deepEqual(app.done, [])
  })
}

for (const [name, command] of [
  ['ready', ready],
  ['reload', reload],
  ['drain', drain],
  ['status', (at: ReturnType<typeof terminal>) => status({ ...at, ...wide })],
] as const) {
  test(`${name}: without a process, the message names the socket and how to name another`, async (t) => {
    const at = terminal(join(folder(t), 'spliceway.sock'))
    t.is(await command(at), 1)
    t.true(String(at.err).startsWith(`spliceway: nothing runs at ${at.socket} (no such file)\n`))
    t.regex(String(at.err), /--socket PATH/)
    t.is(String(at.out), '')
  })
}

test('a file that is no socket is nothing that runs', async (t) => {
  const path = join(folder(t), 'file')
  writeFileSync(path, '')
  const at = terminal(path)
  t.is(await ready(at), 1)
  t.regex(String(at.err), /nothing runs at .* \(left behind/)
})

test('a process that does not answer is given up after the timeout', async (t) => {
  const path = join(folder(t), 'silent.sock')
  const server = createServer((socket) => socket.on('error', () => {}).resume()).listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const start = performance.now()
  const reply = await ask(path, 'GET', '/status', 100)
  t.true(performance.now() - start < 10_000) // and not never
  t.like(reply, { kind: 'unreachable' })
  t.regex(reply.kind === 'unreachable' ? reply.message : '', /no answer in time/)
})

test('another program behind the socket is not taken for spliceway', async (t) => {
  const path = join(folder(t), 'other.sock')
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}')
  }).listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const at = terminal(path)
  t.is(await status({ ...at, ...wide }), 1)
  t.regex(String(at.err), /is not spliceway/)
})
