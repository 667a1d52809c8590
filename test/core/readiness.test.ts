import test from 'ava'
import { liveness, readiness } from '../../src/core/readiness.ts'
import type { ListenerStatus, Status, WorkerStatus } from '../../src/core/status.ts'

const worker: WorkerStatus = { index: 1, alive: true, heartbeatAgeMs: 900, active: 0, restarts: 0 }
const listener = (name: string, full: ListenerStatus['full']): ListenerStatus => {
  return {
    name,
    address: '',
    pool: 'web',
    routes: 0,
    refused: {},
    failed: {},
    bytesUp: 0,
    bytesDown: 0,
    active: 0,
    accepted: 0,
    maxConnections: 5,
    full,
  }
}

function status(change: Partial<Status> = {}): Status {
  return {
    version: '',
    node: '',
    pid: 1,
    plane: { name: 'splice', why: '' },
    state: 'serving',
    uptimeMs: 1,
    connections: { active: 0, limit: 100, limitedBy: 'limits.connections' },
    listeners: [listener('http', null), listener('https', null)],
    pools: [],
    predecessors: [],
    workers: [worker],
    config: { source: '', loadedMsAgo: 0, lastReload: { successful: true, message: '' } },
    ...change,
  }
}

const ask = (change: Partial<Status>, usable = 1) => readiness(status(change), ['web'], () => usable)

test('what serves, beats and has room is ready', (t) => {
  t.deepEqual(ask({}), { ok: true, reasons: [] })
})

test('a worker that has not beaten for 5 s is not ready, and after 10 s not alive', (t) => {
  const silent = (heartbeatAgeMs: number) => [worker, { ...worker, index: 2, heartbeatAgeMs }]
  t.true(ask({ workers: silent(4_999) }).ok)
  t.deepEqual(ask({ workers: silent(5_000) }), {
    ok: false,
    reasons: ['worker 2 gave no sign of life for 5000 ms'],
  })
  t.true(liveness(silent(9_999)).ok)
  t.deepEqual(liveness(silent(10_000)).reasons, ['worker 2 gave no sign of life for 10000 ms'])
})

test('a worker that is being replaced is not called silent too', (t) => {
  const dead = { ...worker, alive: false, heartbeatAgeMs: 60_000 }
  t.deepEqual(ask({ workers: [dead] }).reasons, ['worker 1 is being replaced'])
})

test('the limit of the program is named', (t) => {
  const listeners = [listener('http', 'limit'), listener('https', 'limit')]
  t.deepEqual(ask({ listeners }), {
    ok: false,
    reasons: ['the program is at its limit of 100 connections (limits.connections)'],
  })
})

test('one full listener is told of, and does not take the others out of a balancer', (t) => {
  const note = 'listener https is at its limit of 5 connections (maxConnections)'
  t.deepEqual(ask({ listeners: [listener('http', null), listener('https', 'listener-limit')] }), {
    ok: true,
    reasons: [note],
  })
  t.deepEqual(ask({ listeners: [listener('https', 'listener-limit')] }), { ok: false, reasons: [note] })
})

test('draining, and a required pool without a usable endpoint, are named', (t) => {
  t.deepEqual(ask({ state: 'draining' }, 0).reasons, ['draining', 'pool web has no usable endpoint'])
})
