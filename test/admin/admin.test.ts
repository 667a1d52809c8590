import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type AdminOptions, startAdmin } from '../../src/admin/admin.ts'
import { History } from '../../src/admin/history.ts'
import { TcpListener } from '../../src/admin/listener.ts'
import { sharedPages } from '../../src/admin/pages.ts'
import { AdminServer } from '../../src/admin/server.ts'
import { exampleApp, exampleStatus, memoryLog } from '../telemetry/example-app.ts'

async function start(t: ExecutionContext, change: Partial<AdminOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-admin-'))
  const socketPath = join(folder, 'spliceway.sock')
  const app = exampleApp()
  const log = memoryLog()
  const listen = { host: '127.0.0.1', port: 0 }
  t.teardown(() => rmSync(folder, { recursive: true }))
  const admin = await startAdmin({ app, log, socketPath, listen, holder: async () => undefined, ...change })
  t.teardown(() => admin.close())
  return { app, log, admin, socketPath, tcp: `http://${admin.address()}` }
}

interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** `to`: the path of a UNIX socket, or an http:// URL. */
function ask(to: string, method: string, path: string): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>()
  const target = to.startsWith('http')
    ? { host: new URL(to).hostname, port: new URL(to).port }
    : { socketPath: to }
  const outgoing = request({ ...target, method, path, agent: false }, (incoming) => {
    let body = ''
    incoming.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk
    })
    incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }))
  })
  outgoing.on('error', reject)
  outgoing.end()
  return promise
}

for (const listener of ['tcp', 'socketPath'] as const) {
  test(`${listener}: every page answers GET`, async (t) => {
    const started = await start(t)
    t.is((await ask(started[listener], 'GET', '/livez')).body, 'ok\n')
    t.is((await ask(started[listener], 'GET', '/readyz')).body, 'ok\n')
    t.deepEqual(JSON.parse((await ask(started[listener], 'GET', '/status?pretty')).body), exampleStatus)
    const metrics = await ask(started[listener], 'GET', '/metrics')
    t.is(metrics.body, 'metric 1\n')
    t.is(metrics.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
    t.regex(
      (await ask(started[listener], 'GET', '/')).body,
      listener === 'tcp' ? /^<!doctype html>/ : /\/readyz/,
    )
    t.is((await ask(started[listener], 'GET', '/nothing')).status, 404)
  })

  test(`${listener}: HEAD has the headers and no body`, async (t) => {
    const started = await start(t)
    const head = await ask(started[listener], 'HEAD', '/readyz')
    t.is(head.status, 200)
    t.is(head.headers['content-length'], '3')
    t.is(head.body, '')
  })

  test(`${listener}: not ready is 503 with a line for each reason`, async (t) => {
    const started = await start(t)
    started.app.reasons = ['draining', 'worker 2 is silent']
    const answer = await ask(started[listener], 'GET', '/readyz')
    t.is(answer.status, 503)
    t.is(answer.body, 'draining\nworker 2 is silent\n')
  })
}

test('the configuration is shown over the UNIX socket and not over TCP', async (t) => {
  const { tcp, socketPath, app } = await start(t)
  t.deepEqual(JSON.parse((await ask(socketPath, 'GET', '/config')).body), app.config())
  const refused = await ask(tcp, 'GET', '/config')
  t.is(refused.status, 403)
  t.is(refused.body, 'this page is only there over the UNIX socket\n')
})

test('TCP changes nothing and says where changes go', async (t) => {
  const { tcp, app } = await start(t)
  for (const [method, path] of [
    ['POST', '/reload'],
    ['POST', '/drain'],
    ['POST', '/log?level=debug'],
    ['POST', '/endpoints/web/10.0.0.5:80/drain'],
    ['DELETE', '/status'],
    ['PUT', '/nothing'],
  ] as const) {
    const answer = await ask(tcp, method, path)
    t.is(answer.status, 405)
    t.is(answer.headers.allow, 'GET, HEAD')
    t.regex(answer.body, /UNIX socket/)
  }
  t.deepEqual(app.done, [])
  t.is((await ask(tcp, 'GET', '/drain')).status, 405)
  t.deepEqual(app.done, [])
})

test('the UNIX socket changes things, by POST only', async (t) => {
  const { socketPath, app } = await start(t)
  t.is((await ask(socketPath, 'GET', '/reload')).headers.allow, 'POST')
  t.is((await ask(socketPath, 'POST', '/status')).headers.allow, 'GET, HEAD')
  t.deepEqual(app.done, [])
  const reload = await ask(socketPath, 'POST', '/reload')
  t.is(reload.status, 200)
  t.deepEqual(JSON.parse(reload.body), { ok: true, message: 'reloaded' })
  await ask(socketPath, 'POST', '/drain')
  await ask(socketPath, 'POST', '/endpoints/web/10.0.0.5:80/drain')
  await ask(socketPath, 'POST', `/endpoints/web/${encodeURIComponent('[::1]:80')}/ready`)
  t.deepEqual(app.done, ['reload', 'drain', 'drain web 10.0.0.5:80', 'ready web [::1]:80'])
})

test('a reload that fails is 422 with every problem', async (t) => {
  const { socketPath, app } = await start(t)
  app.problems = 'error: one\nerror: two\n'
  const answer = await ask(socketPath, 'POST', '/reload')
  t.is(answer.status, 422)
  t.deepEqual(JSON.parse(answer.body), { ok: false, message: app.problems })
})

test('an endpoint that does not exist is 404, and so is a path that does not decode', async (t) => {
  const { socketPath, app } = await start(t)
  t.is((await ask(socketPath, 'POST', '/endpoints/other/10.0.0.5:80/drain')).status, 404)
  t.is((await ask(socketPath, 'POST', '/endpoints/%zz/10.0.0.5:80/drain')).status, 404)
  t.is((await ask(socketPath, 'POST', '/endpoints/web/10.0.0.5:80/explode')).status, 404)
  t.deepEqual(app.done, ['drain other 10.0.0.5:80'])
})

test('a page that fails is 500, and the log says why', async (t) => {
  const { tcp, app, log } = await start(t)
  app.metrics = async () => {
    throw new Error('no rows')
  }
  t.is((await ask(tcp, 'GET', '/metrics')).status, 500)
  t.like(log.lines.at(-1)?.fields, { path: '/metrics' })
  t.is((await ask(tcp, 'GET', '/livez')).status, 200)
})

test('the socket belongs to its owner alone and is gone after close()', async (t) => {
  const { admin, socketPath } = await start(t)
  t.is((statSync(socketPath).mode & 0o777).toString(8), '600')
  await admin.close()
  t.false(existsSync(socketPath))
})

test('a socket file of a process that died is replaced', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-stale-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const socketPath = join(folder, 'spliceway.sock')
  const program = `require('node:net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`
  const { spawn } = await import('node:child_process')
  await once(spawn(process.execPath, ['-e', program]), 'exit')
  t.true(existsSync(socketPath))
  await start(t, { socketPath })
  t.is((await ask(socketPath, 'GET', '/livez')).status, 200)
  t.is((statSync(socketPath).mode & 0o777).toString(8), '600')
})

test('a socket of a running process is an error that names it', async (t) => {
  const { socketPath } = await start(t)
  const error = await t.throwsAsync(start(t, { socketPath }), { code: 'EADDRINUSE' })
  t.true(error?.message.includes(socketPath))
  t.regex(error?.message ?? '', /belongs to a running process/)
  t.is((await ask(socketPath, 'GET', '/livez')).status, 200)
})

test('a file that is not a socket is left alone', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-file-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const socketPath = join(folder, 'notes.txt')
  writeFileSync(socketPath, 'dear diary')
  await t.throwsAsync(start(t, { socketPath }), { message: /is not a socket/ })
  t.true(existsSync(socketPath))
})

test('a path that is too long for the kernel is refused by its length', async (t) => {
  await t.throwsAsync(start(t, { socketPath: `/tmp/${'x'.repeat(120)}` }), { message: /125 bytes.*107/ })
})

test('a taken TCP port is warned of once, with its holder, and served when it is free', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const log = memoryLog()
  const { admin, socketPath } = await start(t, {
    listen: { host: '127.0.0.1', port },
    holder: async (asked) => `held by somebody on ${asked}`,
    log,
  })
  t.is(admin.address(), null)
  t.is((await ask(socketPath, 'GET', '/livez')).status, 200)
  const warning = log.lines.find(({ level }) => level === 'warn')
  t.like(warning?.fields, {
    address: `127.0.0.1:${port}`,
    code: 'EADDRINUSE',
    holder: `held by somebody on ${port}`,
  })
  await new Promise((resolve) => setTimeout(resolve, 1_200)) // a second try fails as well
  const open = log.next('admin page open')
  taken.close()
  await open
  t.is((await ask(`http://127.0.0.1:${port}`, 'GET', '/livez')).status, 200)
  t.is(log.lines.filter(({ level }) => level === 'warn').length, 1)
})

test('close() ends the waiting for a taken port', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const address = taken.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const { admin } = await start(t, { listen: { host: '127.0.0.1', port } })
  await admin.close()
  t.is(admin.address(), null)
})

test('both listeners can be off', async (t) => {
  const { admin } = await start(t, { listen: null, socketPath: null })
  t.is(admin.address(), null)
  t.is(admin.socketPath, null)
})

test('a connection serves one request', async (t) => {
  const { tcp } = await start(t)
  const answer = await ask(tcp, 'GET', '/livez')
  t.is(answer.headers.connection, 'close')
})

/** Connections that send `request` and read nothing. */
function hold(t: ExecutionContext, tcp: string, count: number, request = ''): readonly Socket[] {
  const { hostname, port } = new URL(tcp)
  const sockets = Array.from({ length: count }, () => {
    const socket = connect(Number(port), hostname).on('error', () => {})
    if (request !== '') socket.write(request)
    return socket
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  return sockets
}

test('of more than 160 connections the oldest without a request gives way', async (t) => {
  const { tcp } = await start(t)
  const [first] = hold(t, tcp, 1)
  if (first === undefined) throw new Error('there is one')
  await once(first, 'connect')
  const others = hold(t, tcp, 159)
  await Promise.all(others.map((socket) => once(socket, 'connect')))
  const gone = once(first.resume(), 'close')
  const youngest = others.at(-1)
  youngest?.write('GET /livez HTTP/1.1\r\nho') // not a whole request
  t.is((await ask(tcp, 'GET', '/livez')).body, 'ok\n')
  youngest?.write('st: x\r\n\r\n')
  let answer = ''
  for await (const chunk of youngest ?? []) answer += chunk
  t.regex(answer, /^HTTP\/1\.1 200 /)
  await gone
})

test('whoever asks is answered among 300 that come at the same time and are silent', async (t) => {
  const { tcp } = await start(t)
  const asked = ask(tcp, 'GET', '/readyz')
  const silent = hold(t, tcp, 300)
  t.is((await asked).status, 200)
  for (let n = 0; n < 20; n++) t.is((await ask(tcp, 'GET', '/livez')).status, 200)
  await Promise.all(
    silent.map((socket) => (socket.destroyed ? null : once(socket.resume(), 'close'))).slice(0, 200),
  )
})

test('a page that many ask for is made once a second', async (t) => {
  const app = exampleApp()
  let made = 0
  app.metrics = async () => ({ contentType: 'text/plain', text: `metric ${++made}\n` })
  let nowMs = 5_000
  const pages = sharedPages(app, new History(), () => nowMs)
  const all = await Promise.all([pages.metrics(), pages.metrics(), pages.metrics()])
  t.is(new Set(all.map(({ body }) => body)).size, 1)
  nowMs += 999
  t.is(String((await pages.metrics()).body), 'metric 1\n')
  nowMs += 1
  t.is(String((await pages.metrics()).body), 'metric 2\n')
})

test('a page that failed is asked for again', async (t) => {
  const { tcp, app } = await start(t)
  const { metrics } = app
  app.metrics = async () => {
    throw new Error('no rows')
  }
  t.is((await ask(tcp, 'GET', '/metrics')).status, 500)
  app.metrics = metrics
  t.is((await ask(tcp, 'GET', '/metrics')).status, 200)
})

test('over the UNIX socket a page is made anew each time', async (t) => {
  const { socketPath, app } = await start(t)
  let made = 0
  app.metrics = async () => ({ contentType: 'text/plain', text: `metric ${++made}\n` })
  t.is((await ask(socketPath, 'GET', '/metrics')).body, 'metric 1\n')
  t.is((await ask(socketPath, 'GET', '/metrics')).body, 'metric 2\n')
})

test('two that do not read a large page are cut, and whoever waits for it gets it', async (t) => {
  const { tcp, app } = await start(t)
  const text = 'x'.repeat(16 << 20) // more than a socket takes from one and holds for the other
  app.metrics = async () => ({ contentType: 'text/plain', text })
  const unread = hold(t, tcp, 3, 'GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
  for (const socket of unread) socket.pause()
  const asked = ask(tcp, 'GET', '/metrics')
  t.is((await ask(tcp, 'GET', '/livez')).status, 200)
  t.is((await asked).body.length, text.length)
})

test('of a pipeline the first request is answered, and the rest costs nothing', async (t) => {
  const { tcp, app } = await start(t)
  let made = 0
  app.live = () => {
    made++
    return { ok: true, reasons: [] }
  }
  t.is(await statusLine(tcp, 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(3_000)), 'HTTP/1.1 200 OK')
  t.is(made, 1)
})

test('what is no request is answered by its status, and the next one is served', async (t) => {
  const { tcp } = await start(t)
  t.is(await statusLine(tcp, 'hello\r\n\r\n'), 'HTTP/1.1 400 Bad Request')
  t.is(
    await statusLine(tcp, `GET / HTTP/1.1\r\nx: ${'x'.repeat(9_000)}`),
    'HTTP/1.1 431 Request Header Fields Too Large',
  )
  t.is(await statusLine(tcp, 'GET / HTTP/2.0\r\n\r\n'), 'HTTP/1.1 505 HTTP Version Not Supported')
  t.is((await ask(tcp, 'GET', '/livez')).status, 200)
})

test('a client that has closed its side still gets its answer', async (t) => {
  const { tcp } = await start(t)
  const { hostname, port } = new URL(tcp)
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
  socket.end('GET /livez HTTP/1.0\r\n\r\n')
  const [answer] = await once(socket, 'data')
  t.regex(String(answer), /^HTTP\/1\.1 200 OK\r\n/)
  socket.destroy()
})

/** The first line of the answer to exactly these bytes. */
async function statusLine(tcp: string, text: string): Promise<string> {
  const { hostname, port } = new URL(tcp)
  const socket = connect(Number(port), hostname)
  socket.write(text)
  let answer = ''
  for await (const chunk of socket) answer += chunk
  return answer.slice(0, answer.indexOf('\r\n'))
}

test('a page of the web that points its own name at us learns nothing', async (t) => {
  const { tcp } = await start(t)
  const get = (path: string, host: string) => statusLine(tcp, `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  for (const path of ['/', '/metrics', '/status', '/nothing'])
    t.is(await get(path, 'rebound.example:9981'), 'HTTP/1.1 421 Misdirected Request', path)
  t.is(await get('/status', '127.0.0.1.rebound.example'), 'HTTP/1.1 421 Misdirected Request')
  for (const host of [
    '127.0.0.1:9981',
    '[::1]:9981',
    '10.0.0.5',
    'localhost',
    'LOCALHOST:1',
    'edge.example:9981',
  ])
    t.is(await get('/status', host), 'HTTP/1.1 200 OK', host)
})

test('checks of balancers come with any Host, or with none', async (t) => {
  const { tcp } = await start(t)
  for (const path of ['/livez', '/readyz']) {
    t.is(await statusLine(tcp, `GET ${path} HTTP/1.1\r\nhost: whatever.example\r\n\r\n`), 'HTTP/1.1 200 OK')
    t.is(await statusLine(tcp, `GET ${path} HTTP/1.0\r\n\r\n`), 'HTTP/1.1 200 OK')
    t.is(await statusLine(tcp, `GET ${path} HTTP/1.1\r\n\r\n`), 'HTTP/1.1 200 OK')
  }
  t.is(await statusLine(tcp, 'GET /metrics HTTP/1.0\r\n\r\n'), 'HTTP/1.1 200 OK')
})

test('a listener that tries again leaves no listeners behind', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = Object(taken.address())
  const server = new AdminServer(exampleApp(), 'tcp', new History(), () => {})
  const lines = memoryLog()
  const listener = new TcpListener(
    () => server,
    { host: '127.0.0.1', port },
    async () => undefined,
    lines,
  )
  await listener.open()
  const awake = setInterval(() => {}, 1_000) // the listener's own timer holds nobody
  t.teardown(() => clearInterval(awake))
  const waiting = server.listenerCount('listening')
  await new Promise((resolve) => setTimeout(resolve, 2_200)) // two more tries
  t.is(server.listenerCount('listening'), waiting)
  t.is(server.listenerCount('error'), 0)
  const open = lines.next('admin page open')
  taken.close()
  await open
  server.close()
})

test('a client that leaves before its answer harms nobody', async (t) => {
  const { tcp, app } = await start(t)
  const { hostname, port } = new URL(tcp)
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<{ contentType: string; text: string }>()
  app.metrics = () => {
    asked.resolve()
    return answer.promise
  }
  const socket = connect(Number(port), hostname)
  socket.write('GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
  await asked.promise
  socket.resetAndDestroy()
  answer.resolve({ contentType: 'text/plain', text: 'x'.repeat(1 << 20) })
  t.is((await ask(tcp, 'GET', '/livez')).status, 200)
})

test('an upgrade is told line by line, and goes on when the listener closes for the next process', async (t) => {
  const { app, admin, socketPath } = await start(t)
  const closed = Promise.withResolvers<void>()
  app.upgrade = async function* () {
    yield '{"progress":"one"}\n'
    await closed.promise
    yield '{"ok":true,"message":"two"}\n'
  }
  const { promise, resolve } = Promise.withResolvers<string>()
  const first = Promise.withResolvers<void>()
  const outgoing = request({ socketPath, method: 'POST', path: '/upgrade', agent: false }, (incoming) => {
    let body = ''
    incoming.setEncoding('utf8').on('data', (text: string) => {
      body += text
      first.resolve()
    })
    incoming.on('end', () => resolve(body))
  })
  outgoing.end()
  await first.promise
  await admin.close()
  t.false(existsSync(socketPath), 'the next process may bind it')
  closed.resolve()
  t.is(await promise, '{"progress":"one"}\n{"ok":true,"message":"two"}\n')
})

test('an upgrade that cannot be is refused at once, and over TCP it is not even asked for', async (t) => {
  const { socketPath, tcp } = await start(t)
  const refused = await ask(socketPath, 'POST', '/upgrade')
  t.deepEqual([refused.status, JSON.parse(refused.body)], [409, { ok: false, message: 'no upgrade' }])
  t.is((await ask(socketPath, 'GET', '/upgrade')).status, 405)
  t.is((await ask(tcp, 'POST', '/upgrade')).status, 405)
})
