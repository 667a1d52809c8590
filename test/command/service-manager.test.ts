import test from 'ava'
import { ServiceManager, type Supervised, statusLine, watchdogMs } from '../../src/command/service-manager.ts'
import type { Status } from '../../src/core/status.ts'

const serving: Status = {
  version: '0',
  node: 'v26',
  pid: 1,
  plane: { name: 'net', why: '' },
  state: 'serving',
  uptimeMs: 0,
  connections: { active: 7, limit: 10, limitedBy: 'limits.connections' },
  listeners: [
    {
      name: 'http',
      address: '[::]:80',
      pool: 'web',
      active: 7,
      accepted: 9,
      maxConnections: null,
      routes: 0,
      refused: {},
      failed: {},
      bytesUp: 0,
      bytesDown: 0,
      full: null,
    },
  ],
  pools: [
    {
      name: 'web',
      balance: 'p2c',
      panic: false,
      waiting: false,
      endpoints: [endpoint('up'), endpoint('down')],
      discovery: null,
    },
  ],
  predecessors: [],
  workers: [],
  config: { source: 'file', loadedMsAgo: 0, lastReload: { successful: true, message: 'as started' } },
}

function endpoint(state: 'up' | 'down'): Status['pools'][number]['endpoints'][number] {
  const name = '10.0.0.1:80'
  return {
    endpoint: name,
    name: null,
    priority: 0,
    weight: 1,
    share: 1,
    state,
    reason: '',
    forMs: 0,
    active: 0,
  }
}

/** A manager that is told into a list, about an app whose state the test sets. */
function supervised(watchdog: number | null) {
  const told: string[] = []
  const manager = new ServiceManager({
    notify: { tell: (all) => void told.push(all.join(' | ')), close: async () => {} },
    watchdogMs: watchdog,
    monotonicUsec: () => 1_234n,
  })
  const state = { status: serving, live: true }
  const app: Supervised = {
    status: () => state.status,
    live: () => ({ ok: state.live, reasons: [] }),
  }
  return { told, manager, state, app }
}

/** Resolves when `list` has `count` members more that match. */
async function more(list: readonly string[], pattern: RegExp, count: number): Promise<void> {
  const matching = () => list.filter((line) => pattern.test(line)).length
  const wanted = matching() + count
  for (const deadline = performance.now() + 30_000; matching() < wanted; ) {
    if (performance.now() > deadline) throw new Error(`only ${matching()} of ${wanted} ${pattern}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('the life of a program is told in the words of sd_notify(3)', async (t) => {
  const { told, manager, state, app } = supervised(null)
  manager.reload('begun') // not ready yet: nobody may take it for a running program
  manager.ready(app)
  manager.reload('begun')
  manager.reload('over')
  state.status = { ...serving, state: 'draining' }
  manager.stopping(25_000)
  manager.reload('begun') // refused while draining; READY after STOPPING would mean a start
  manager.reload('over')
  await manager.close()
  const status = 'STATUS=serving; 1 of 2 endpoints up'
  t.deepEqual(told, [
    `READY=1 | ${status}`,
    'RELOADING=1 | MONOTONIC_USEC=1234 | STATUS=reloading',
    `READY=1 | ${status}`,
    'STOPPING=1 | EXTEND_TIMEOUT_USEC=30000000 | STATUS=draining; connections left: 7',
  ])
})

test('the watchdog is fed twice in its time, and only while the program is live', async (t) => {
  const { told, manager, state, app } = supervised(60)
  t.teardown(() => manager.close())
  const startMs = performance.now()
  manager.ready(app)
  await more(told, /WATCHDOG=1/, 4)
  t.true(performance.now() - startMs >= 4 * 30 - 5)
  state.live = false
  const before = told.length
  state.status = { ...serving, pools: [] }
  await more(told, /STATUS=serving; 0 of 0/, 1) // it still looks
  t.deepEqual(
    told.slice(before).filter((line) => line.includes('WATCHDOG')),
    [],
  )
  state.live = true
  await more(told, /WATCHDOG=1/, 1)
})

test('without a watchdog nothing is fed', async (t) => {
  const { told, manager, app } = supervised(null)
  manager.ready(app)
  await manager.close()
  t.deepEqual(told, ['READY=1 | STATUS=serving; 1 of 2 endpoints up'])
})

test('a configuration that was refused shows in the status, in one line', (t) => {
  const lastReload = { successful: false, message: 'error: unknown key `x`\n  --> file:1:1' }
  t.is(
    statusLine({ ...serving, config: { ...serving.config, lastReload } }),
    'serving; 1 of 2 endpoints up; configuration not reloaded: error: unknown key `x`',
  )
})

test('the watchdog of another process, or none, is not fed', (t) => {
  t.is(watchdogMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 7), 30_000)
  t.is(watchdogMs({ WATCHDOG_USEC: '30000000' }, 7), 30_000)
  t.is(watchdogMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, 7), null)
  for (const usec of ['', '0', '-1', 'soon', '1e9']) t.is(watchdogMs({ WATCHDOG_USEC: usec }, 7), null, usec)
})

test('the process that took its place is the main one, and this one says no more: its end is not that of the service', (t) => {
  const { told, manager, app } = supervised(null)
  manager.ready(app)
  manager.followed(4711)
  manager.stopping(25_000)
  manager.reload('begun')
  t.is(told.at(-1), 'MAINPID=4711')
})
