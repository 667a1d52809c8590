import type { AdminActions, AdminSource } from '../../src/admin/admin.ts'
import type { Log } from '../../src/core/log.ts'
import type { Status } from '../../src/core/status.ts'

export const exampleStatus: Status = {
  version: '0.1.0',
  node: 'v26.10.0',
  pid: 1234,
  plane: { name: 'net', why: '' },
  state: 'serving',
  uptimeMs: 312_500,
  connections: { active: 12, limit: 9872, limitedBy: 'half of the memory' },
  listeners: [
    {
      name: 'http',
      address: '[::]:80',
      pool: 'web',
      active: 3,
      accepted: 120,
      routes: 0,
      refused: {},
      failed: {},
      bytesUp: 0,
      bytesDown: 0,
      maxConnections: null,
      full: null,
    },
    {
      name: 'https',
      address: '[::]:443',
      pool: 'web-tls',
      active: 9,
      accepted: 4321,
      routes: 0,
      refused: {},
      failed: {},
      bytesUp: 0,
      bytesDown: 0,
      maxConnections: 20000,
      full: null,
    },
  ],
  pools: [
    {
      name: 'web',
      balance: 'p2c',
      panic: false,
      waiting: false,
      endpoints: [
        {
          endpoint: '127.0.0.1:9080',
          name: null,
          priority: 0,
          weight: 1,
          share: 1,
          state: 'up',
          reason: 'tcp connect in 1 ms',
          forMs: 7_380_000,
          active: 3,
        },
      ],
      discovery: null,
    },
    {
      name: 'web-tls',
      balance: 'p2c',
      panic: true,
      waiting: false,
      endpoints: [
        {
          endpoint: '10.0.0.5:9443',
          name: 'node-2.internal',
          priority: 1,
          weight: 2,
          share: 0,
          state: 'down',
          reason: 'said \x1b[31m',
          forMs: 250,
          active: 0,
        },
      ],
      discovery: {
        source: 'dns node-2.internal A',
        state: 'known',
        reason: '',
        failing: { reason: 'the name server failed', forMs: 3100 },
        ageMs: 4200,
        endpoints: 1,
        failures: { lookup: 2 },
      },
    },
  ],
  predecessors: [],
  workers: [{ index: 1, alive: true, heartbeatAgeMs: 120, active: 12, restarts: 0 }],
  config: {
    source: 'config/edge.yaml',
    loadedMsAgo: 90_000,
    lastReload: { successful: false, message: 'error: unknown key\n  --> edge.yaml:4:5\n' },
  },
}

export const exampleConnection = {
  id: '0a-1-7',
  listener: 'http',
  client: '203.0.113.7:51234',
  pool: 'web',
  endpoint: '10.0.0.5:9080',
  ageMs: 312_500,
  idleMs: 1_200,
  bytesUp: 120,
  bytesDown: 5_000_000,
  heldBytes: 65_536,
  state: 'data',
}

/** An app that answers from its fields and remembers what it was told to do. */
export function exampleApp() {
  const done: string[] = []
  const app: AdminSource & AdminActions & { reasons: string[]; done: readonly string[]; problems: string } = {
    reasons: [],
    problems: '',
    done,
    live: () => ({ ok: true, reasons: [] }),
    ready() {
      return { ok: this.reasons.length === 0, reasons: this.reasons }
    },
    status: () => exampleStatus,
    config: () => ({
      source: 'config/edge.yaml',
      loadedMsAgo: 90_000,
      text: 'forward: { 80: 127.0.0.1:9080 }\n',
      refused: null,
    }),
    hosts: () => ['edge.example'],
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', text: 'metric 1\n' }),
    async *connections(filter) {
      yield '{"connections":['
      yield `${JSON.stringify({ ...exampleConnection, listener: filter.listener ?? 'http' })}],"silent":[]}\n`
    },
    explain: async (id) => (id === exampleConnection.id ? JSON.stringify(exampleConnection) : null),
    async kill(id) {
      done.push(`kill ${id}`)
      return { ok: id === exampleConnection.id, message: `kill ${id}` }
    },
    upgrade: () => ({ ok: false, message: 'no upgrade' }),
    async reload() {
      done.push('reload')
      return this.problems === '' ? { ok: true, message: 'reloaded' } : { ok: false, message: this.problems }
    },
    logLevel(level) {
      done.push(`log ${level}`)
      return { ok: true, message: `log level ${level}` }
    },
    drain() {
      done.push('drain')
      return { ok: true, message: 'draining' }
    },
    endpoint(pool, endpoint, action) {
      done.push(`${action} ${pool} ${endpoint}`)
      return pool === 'web'
        ? { ok: true, message: `${endpoint} ${action}`, ...(action === 'drain' && { warning: 'none left' }) }
        : { ok: false, message: 'no such pool' }
    },
  }
  return app
}

export interface LoggedLine {
  readonly level: keyof Log
  readonly fields: object
  readonly message: string
}

/** Keeps its lines; `next` resolves with the next line that has this text. */
export function memoryLog(): Log & { lines: LoggedLine[]; next(text: string): Promise<LoggedLine> } {
  const lines: LoggedLine[] = []
  const waiting: { text: string; resolve: (line: LoggedLine) => void }[] = []
  const keep = (level: LoggedLine['level']) => (fields: object, message: string) => {
    const line = { level, fields, message }
    lines.push(line)
    for (const each of waiting) if (message.includes(each.text)) each.resolve(line)
  }
  return {
    lines,
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    next(text) {
      const { promise, resolve } = Promise.withResolvers<LoggedLine>()
      waiting.push({ text, resolve })
      return promise
    },
  }
}
