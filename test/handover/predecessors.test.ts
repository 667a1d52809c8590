import { createServer } from 'node:net'
import test from 'ava'
import { ask } from '../../src/command/client.ts'
import { parseStatus, renderStatus } from '../../src/command/status.ts'
import type { Status } from '../../src/core/status.ts'
import { Predecessors } from '../../src/handover/predecessors.ts'
import { Remains } from '../../src/handover/remains.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { LongLived } from './long-lived.ts'
import { Succession } from './succession.ts'

const loaded = loadLibc()
if (loaded.kind === 'missing') throw new Error(loaded.reason)
const { libc } = loaded
const uid = process.getuid?.() ?? 0
const patienceMs = 30_000

/** Resolves to what `look` finds. */
async function found<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const deadline = performance.now() + patienceMs; performance.now() < deadline; ) {
    const seen = await look()
    if (seen !== undefined) return seen
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`not seen within ${patienceMs} ms: ${look}`)
}

test.serial(
  'what is left in the processes before is in the status and the metrics of the one that serves, which goes on when one hangs',
  async (t) => {
    t.timeout(120_000)
    const place = await Succession.open(t)
    const statusOf = async (pid: number): Promise<Status | undefined> => {
      const reply = await ask(place.adminSocket, 'GET', '/status')
      const status = reply.kind === 'answered' ? parseStatus(reply.body) : undefined
      return status?.pid === pid ? status : undefined
    }
    const role = { workers: 1, sessions: 'keep' } as const
    const a = await place.start(t, role)
    await a.line(/listening on/)
    const held = await LongLived.open(3, place.port)
    const b = await place.start(t, role)
    await b.line(/"msg":"settled: /)
    const leaving = await found(async () => {
      const status = await statusOf(b.pid)
      return status?.predecessors.some(({ endsInMs }) => endsInMs !== null) ? status : undefined
    })
    t.like(leaving.predecessors, [{ pid: a.pid, version: leaving.version, connections: 3 }])
    const [first] = leaving.predecessors
    t.true((first?.endsInMs ?? 0) > 30_000 && (first?.endsInMs ?? 0) <= 60_000)
    t.regex(renderStatus(leaving), new RegExp(`OLD-PROCESS .*\\n${a.pid} +\\S+ +3 +\\d+s`))
    const metrics = await ask(place.adminSocket, 'GET', '/metrics')
    const text = metrics.kind === 'answered' ? metrics.body : ''
    t.regex(text, new RegExp(`^spliceway_predecessor_connections_active\\{pid="${a.pid}"\\} 3$`, 'm'))
    t.regex(text, new RegExp(`^spliceway_predecessor_deadline_seconds\\{pid="${a.pid}"\\} [345]\\d`, 'm'))

    a.tell('SIGSTOP')
    const silent = await found(async () => {
      const status = await statusOf(b.pid)
      return status?.predecessors.some(({ heardMsAgo }) => heardMsAgo > 3_000) ? status : undefined
    })
    t.regex(renderStatus(silent), new RegExp(`${a.pid} .* silent for `))
    const later = await LongLived.open(2, place.port)
    a.tell('SIGCONT')

    const c = await place.start(t, role)
    await c.line(/"msg":"took over from/)
    const both = await found(async () => {
      const status = await statusOf(c.pid)
      return status?.predecessors.length === 2 ? status : undefined
    })
    const counts = new Map(both.predecessors.map(({ pid, connections }) => [pid, connections]))
    t.deepEqual([counts.get(a.pid), counts.get(b.pid)], [3, 2])
    await held.close()
    t.is((await a.exit).code, 0)
    await found(async () => {
      const status = await statusOf(c.pid)
      return status?.predecessors.length === 1 ? status : undefined
    })
    await later.close()
    t.is((await b.exit).code, 0)
  },
)

test('nobody there, a line that is none, one that never ends: nothing is shown', async (t) => {
  const name = `spliceway-test-${process.pid}-left`
  const server = createServer((socket) => socket.on('error', () => {}).write('{"pid":-1}\nnull\n'))
  const endless = createServer((socket) => socket.on('error', () => {}).write('x'.repeat(10_000)))
  await new Promise<void>((resolve) => server.listen(`\0${name}`, resolve))
  await new Promise<void>((resolve) => endless.listen(`\0${name}-endless`, resolve))
  const predecessors = new Predecessors({ libc, uid, nowMs: () => performance.now() })
  predecessors.watch([name, `${name}-endless`, `${name}-nobody`])
  await found(() => (predecessors.names().length === 1 ? true : undefined))
  t.deepEqual(predecessors.names(), [name])
  t.deepEqual(predecessors.status(), [])
  predecessors.close()
  server.close()
  endless.close()
})

test('one that tells is shown until it ends; what it counts down goes on while it is silent', async (t) => {
  let nowMs = 1_000
  const remains = new Remains({ libc, uid, program: '1', left: () => ({ connections: 4, endsInMs: 500 }) })
  remains.open()
  const predecessors = new Predecessors({ libc, uid, nowMs: () => nowMs })
  predecessors.watch([remains.name])
  const [first] = await found(() => (predecessors.status().length > 0 ? predecessors.status() : undefined))
  t.deepEqual(first, { pid: process.pid, version: '1', connections: 4, endsInMs: 500, heardMsAgo: 0 })
  nowMs = 1_400
  t.like(predecessors.status()[0], { endsInMs: 100, heardMsAgo: 400 })
  remains.close()
  await found(() => (predecessors.names().length === 0 ? true : undefined))
  t.deepEqual(predecessors.status(), [])
  predecessors.close()
})
