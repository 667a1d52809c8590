import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { type SocketAddress, socketAddress } from '../../src/core/address.ts'
import {
  maxTracked,
  type PerSourceLimit,
  PerSourceTable,
  type PerSourceVerdict,
} from '../../src/core/per-source.ts'
import { SetLocks } from '../../src/core/set-locks.ts'
import type { Flood, FloodResult } from './per-source-flood.ts'

const unlimited: PerSourceLimit = {
  connections: null,
  perSecond: null,
  prefix4: 32,
  prefix6: 64,
  dryRun: false,
}
const seed = 4711

function ip(text: string): SocketAddress {
  const address = socketAddress(text, 1)
  if (address === undefined) throw new Error(text)
  return address
}

function said(verdict: PerSourceVerdict): string {
  switch (verdict.kind) {
    case 'counted':
      return verdict.exceeded === null ? 'counted' : `counted, over ${verdict.exceeded}`
    case 'untracked':
      return 'untracked'
    case 'refused':
      return `refused by ${verdict.exceeded}`
  }
}

function entryOf(verdict: PerSourceVerdict): number {
  if (verdict.kind !== 'counted') throw new Error(said(verdict))
  return verdict.entry
}

/** One table, one limit, one listener. */
class Door {
  readonly table = new PerSourceTable(1, 2, seed)
  nowMs = 0
  readonly #limit: PerSourceLimit

  constructor(limit: Partial<PerSourceLimit>) {
    this.#limit = { ...unlimited, ...limit }
  }

  admit(client: string, limit = this.#limit): PerSourceVerdict {
    return this.table.admit(1, limit, ip(client), this.nowMs)
  }

  /** How many of so many at once get in. */
  burst(client: string, count: number): number {
    let admitted = 0
    for (let i = 0; i < count; i++) if (this.admit(client).kind === 'counted') admitted++
    return admitted
  }
}

test('nginx stream_limit_conn: one of the same source is refused while another is open, and not after it', (t) => {
  const door = new Door({ connections: 1 })
  const first = door.admit('192.0.2.1')
  t.is(said(first), 'counted')
  t.is(said(door.admit('192.0.2.1')), 'refused by connections')
  t.is(said(door.admit('192.0.2.2')), 'counted')
  door.table.release(entryOf(first))
  t.is(said(door.admit('192.0.2.1')), 'counted')
})

test('nginx stream_limit_conn: another zone, and the same one unlimited', (t) => {
  const door = new Door({ connections: 1 })
  door.admit('192.0.2.1')
  t.is(said(door.table.admit(2, { ...unlimited, connections: 1 }, ip('192.0.2.1'), 0)), 'counted')
  t.is(said(door.admit('192.0.2.1', { ...unlimited, connections: 5 })), 'counted')
})

test('nginx stream_limit_conn_complex: the same address at two listeners is two sources', (t) => {
  const { table } = new Door({})
  const limit = { ...unlimited, connections: 1 }
  t.is(said(table.admit(1, limit, ip('192.0.2.1'), 0)), 'counted')
  t.is(said(table.admit(1, limit, ip('192.0.2.1'), 0)), 'refused by connections')
  t.is(said(table.admit(2, limit, ip('192.0.2.1'), 0)), 'counted')
})

test('nginx stream_limit_conn_dry_run: nobody is refused, and it is said what would have been', (t) => {
  const door = new Door({ connections: 1, dryRun: true })
  t.is(said(door.admit('192.0.2.1')), 'counted')
  const second = door.admit('192.0.2.1')
  t.is(said(second), 'counted, over connections')
  t.is(door.table.open(entryOf(second)), 2)
  door.table.release(entryOf(second))
  t.is(door.table.open(entryOf(second)), 1)
})

test('a source is a prefix: of IPv4 and IPv6 its own', (t) => {
  const door = new Door({ connections: 1, prefix4: 24, prefix6: 56 })
  for (const [client, expected] of [
    ['192.0.2.1', 'counted'],
    ['192.0.2.200', 'refused by connections'],
    ['192.0.3.1', 'counted'],
    ['2001:db8:0:100::1', 'counted'],
    ['2001:db8:0:1ff:ffff::1', 'refused by connections'],
    ['2001:db8:0:200::1', 'counted'],
    ['::c000:201', 'counted'],
  ] as const)
    t.is(said(door.admit(client)), expected, client)
})

test('prefixes from everybody to one address, in every word', (t) => {
  for (const prefix6 of [1, 31, 32, 33, 63, 64, 65, 96, 97, 127, 128]) {
    const door = new Door({ connections: 1, prefix6 })
    door.admit('2001:db8::')
    const flipped = Uint8Array.from(ip('2001:db8::').bytes)
    const bit = prefix6 - 1
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7))
    const other: SocketAddress = { family: 6, bytes: flipped, port: 1 }
    t.is(
      said(door.table.admit(1, { ...unlimited, connections: 1, prefix6 }, other, 0)),
      'counted',
      `/${prefix6}`,
    )
    if (prefix6 === 128) continue
    const same = Uint8Array.from(ip('2001:db8::').bytes)
    same[prefix6 >> 3] = (same[prefix6 >> 3] ?? 0) ^ (0x80 >> (prefix6 & 7))
    const inside: SocketAddress = { family: 6, bytes: same, port: 1 }
    t.is(
      said(door.table.admit(1, { ...unlimited, connections: 1, prefix6 }, inside, 0)),
      'refused by connections',
      `/${prefix6}`,
    )
  }
  const all = new Door({ connections: 2, prefix4: 0, prefix6: 0 })
  t.deepEqual(
    ['192.0.2.1', '2001:db8::1', '198.51.100.7', '203.0.113.1', '2001:db9::1', '::1'].map((client) =>
      said(all.admit(client)),
    ),
    ['counted', 'counted', 'counted', 'refused by connections', 'counted', 'refused by connections'],
  )
})

test('a rate has a burst of one second, and then its pace', (t) => {
  const door = new Door({ perSecond: 50 })
  t.is(door.burst('192.0.2.1', 100), 50)
  door.nowMs = 19.9
  t.is(said(door.admit('192.0.2.1')), 'refused by rate')
  door.nowMs = 20
  t.is(door.burst('192.0.2.1', 10), 1)
  door.nowMs = 520
  t.is(door.burst('192.0.2.1', 100), 25)
  door.nowMs = 5000
  t.is(door.burst('192.0.2.1', 100), 50)
  t.is(door.burst('192.0.2.2', 100), 50)
})

test('nobody who keeps to the rate is refused, at any rate and however long', (t) => {
  for (const perSecond of [0.5, 1, 3, 7, 50, 333, 1000, 30_000]) {
    const door = new Door({ perSecond })
    for (let i = 0; i < 20_000; i++) {
      door.nowMs = (i * 1000) / perSecond + 1e9
      const verdict = door.admit('192.0.2.1')
      if (verdict.kind !== 'counted') t.fail(`${perSecond}/s: ${said(verdict)} at ${i}`)
      else door.table.release(verdict.entry)
    }
  }
  t.pass()
})

test('a rate below one a second lets one in at once', (t) => {
  const door = new Door({ perSecond: 0.1 })
  t.is(door.burst('192.0.2.1', 5), 1)
  door.nowMs = 9_999
  t.is(door.burst('192.0.2.1', 5), 0)
  door.nowMs = 10_000
  t.is(door.burst('192.0.2.1', 5), 1)
})

test('who is refused takes no token, and who is turned away by connections neither', (t) => {
  const door = new Door({ perSecond: 2, connections: 1 })
  const first = entryOf(door.admit('192.0.2.1'))
  for (let i = 0; i < 10; i++) t.is(said(door.admit('192.0.2.1')), 'refused by connections')
  door.table.release(first)
  const second = entryOf(door.admit('192.0.2.1'))
  door.table.release(second)
  for (let i = 0; i < 10; i++) t.is(said(door.admit('192.0.2.1')), 'refused by rate')
  door.nowMs = 500
  t.is(said(door.admit('192.0.2.1')), 'counted')
})

test('an entry with open connections is never given away; when all are in use new sources go uncounted', (t) => {
  const door = new Door({ connections: 1 })
  const held = new Map<string, number>()
  let untracked = 0
  for (let i = 0; i < 2 * maxTracked; i++) {
    const client = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`
    const verdict = door.admit(client)
    if (verdict.kind === 'counted') held.set(client, verdict.entry)
    else if (verdict.kind === 'untracked') untracked++
    else t.fail(`${client} ${said(verdict)}`)
  }
  t.is(held.size + untracked, 2 * maxTracked)
  t.true(held.size > 0.95 * maxTracked && held.size <= maxTracked, `${held.size}`)
  t.is(new Set(held.values()).size, held.size)
  for (const [client, entry] of held) {
    if (door.table.open(entry) !== 1 || door.admit(client).kind !== 'refused') t.fail(client)
  }
})

test('with half of the entries in use hardly a source finds none', (t) => {
  const door = new Door({ connections: 1 })
  let untracked = 0
  for (let i = 0; i < maxTracked / 2; i++) {
    if (door.admit(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`).kind === 'untracked') untracked++
  }
  t.log(`${untracked} of ${maxTracked / 2}`)
  t.true(untracked < maxTracked / 2 / 500)
})

test('sources that are gone make room, but not before their tokens are back', (t) => {
  const door = new Door({ perSecond: 1 })
  const fill = (net: number): number => {
    let counted = 0
    for (let i = 0; i < 2 * maxTracked; i++) {
      const verdict = door.admit(`${net}.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
      if (verdict.kind !== 'counted') continue
      counted++
      door.table.release(verdict.entry)
    }
    return counted
  }
  t.true(fill(10) > 0.95 * maxTracked)
  door.nowMs = 999
  const early = fill(11)
  t.true(early < 100, `${early} found an entry that nobody has had`)
  door.nowMs = 1000
  t.true(fill(12) > 0.95 * maxTracked)
})

test('10,000 neighbours of one network spread over the sets, whatever bits tell them apart', (t) => {
  for (const shift of [0, 16, 32, 48]) {
    for (const drawn of [1, 2, 3]) {
      const table = new PerSourceTable(1, 1, drawn)
      let untracked = 0
      for (let i = 0; i < 10_000; i++) {
        const bytes = new Uint8Array(16)
        new DataView(bytes.buffer).setBigUint64(0, BigInt(i) << BigInt(shift))
        const client: SocketAddress = { family: 6, bytes, port: 1 }
        if (table.admit(1, { ...unlimited, connections: 1 }, client, 0).kind === 'untracked') untracked++
      }
      t.is(untracked, 0, `bit ${shift}, seed ${drawn}`)
    }
  }
})

test("a dead worker's connections are given back, and the others' are not", (t) => {
  const one = new PerSourceTable(1, 2, seed)
  const two = new PerSourceTable(2, 2, seed, one.buffer)
  const main = new PerSourceTable(0, 2, seed, one.buffer)
  const limit = { ...unlimited, connections: 3 }
  const entry = entryOf(one.admit(1, limit, ip('192.0.2.1'), 0))
  t.is(entryOf(two.admit(1, limit, ip('192.0.2.1'), 0)), entry)
  two.admit(1, limit, ip('192.0.2.1'), 0)
  t.is(said(one.admit(1, limit, ip('192.0.2.1'), 0)), 'refused by connections')
  main.retire(2)
  t.is(one.open(entry), 1)
  t.is(said(one.admit(1, limit, ip('192.0.2.1'), 0)), 'counted')
  t.throws(() => main.retire(0), { instanceOf: RangeError })
  t.throws(() => main.retire(3), { instanceOf: RangeError })
})

test("a listener's own rate is one for all workers, and can be asked for without taking", (t) => {
  const one = new PerSourceTable(1, 2, seed)
  const two = new PerSourceTable(2, 2, seed, one.buffer)
  t.is(one.waitMs(1, 2, 0, false), 0)
  t.is(one.waitMs(1, 2, 0, true), 0)
  t.is(two.waitMs(1, 2, 0, true), 0)
  t.is(one.waitMs(1, 2, 0, true), 500)
  t.is(two.waitMs(1, 2, 200, false), 300)
  t.is(two.waitMs(1, 2, 500, true), 0)
  t.is(one.waitMs(2, 2, 0, true), 0)
})

test('a lock whose holder is dead stops nobody for longer than about a second, and is free once that is known', (t) => {
  const cells = new Int32Array(new SharedArrayBuffer(16))
  const locks = new SetLocks(cells)
  t.true(locks.take(1, 7))
  const startMs = performance.now()
  t.false(locks.take(1, 3))
  t.true(performance.now() - startMs < 10_000)
  t.true(locks.take(2, 3))
  locks.release(7)
  t.true(locks.take(1, 3))
  locks.give(1)
  t.deepEqual([...cells], [0, 0, 3, 0])
})

interface Crowd {
  readonly table: PerSourceTable
  readonly workers: readonly Worker[]
  readonly begin: () => void
}

/** Threads that flood one table, all at the same moment. */
async function crowd(
  t: ExecutionContext,
  flood: Pick<Flood, 'limit' | 'sources' | 'rounds' | 'churn'>,
): Promise<Crowd> {
  const count = 4
  const table = new PerSourceTable(0, count, seed)
  const gate = new Int32Array(new SharedArrayBuffer(8))
  const workers = Array.from({ length: count }, (_, i) => {
    const workerData: Flood = { ...flood, buffer: table.buffer, workers: count, seed, worker: i + 1, gate }
    return new Worker(new URL('per-source-flood.ts', import.meta.url), { workerData })
  })
  t.teardown(async () => {
    await Promise.all(workers.map((worker) => worker.terminate()))
  })
  for (let ready = Atomics.load(gate, 0); ready < count; ready = Atomics.load(gate, 0)) {
    const { async, value } = Atomics.waitAsync(gate, 0, ready)
    if (async) await value
  }
  const begin = (): void => {
    Atomics.store(gate, 1, 1)
    Atomics.notify(gate, 1)
  }
  return { table, workers, begin }
}

async function resultOf(worker: Worker): Promise<FloodResult> {
  const [result] = await once(worker, 'message')
  return result
}

test('four threads that flood from one source let in exactly as many as the limit says', async (t) => {
  const { workers, begin } = await crowd(t, {
    limit: { ...unlimited, connections: 1000, perSecond: null },
    sources: 1,
    rounds: 20_000,
    churn: false,
  })
  const results = Promise.all(workers.map(resultOf))
  begin()
  const told = await results
  t.is(
    told.reduce((sum, { counted }) => sum + counted, 0),
    1000,
  )
  t.is(
    told.reduce((sum, { untracked }) => sum + untracked, 0),
    0,
  )
})

test('four threads that flood from one source get exactly as many tokens as there are', async (t) => {
  const { workers, begin } = await crowd(t, {
    limit: { ...unlimited, perSecond: 500 },
    sources: 3,
    rounds: 20_000,
    churn: true,
  })
  const results = Promise.all(workers.map(resultOf))
  begin()
  t.is(
    (await results).reduce((sum, { counted }) => sum + counted, 0),
    3 * 500,
  )
})

test('connections that come and go in four threads never exceed the limit, and leave nothing', async (t) => {
  const limit = { ...unlimited, connections: 2 }
  const { table, workers, begin } = await crowd(t, { limit, sources: 300, rounds: 60_000, churn: true })
  const results = Promise.all(workers.map(resultOf))
  begin()
  const told = await results
  t.true(Math.max(...told.map(({ most }) => most)) <= 2)
  t.is(
    told.reduce((sum, { untracked }) => sum + untracked, 0),
    0,
  )
  for (let entry = 0; entry < maxTracked; entry++) if (table.open(entry) !== 0) t.fail(`entry ${entry}`)
})

test('a thread that is ended in the middle of it leaves nothing behind', async (t) => {
  const limit = { ...unlimited, connections: 1_000_000 }
  const { table, workers, begin } = await crowd(t, { limit, sources: 50, rounds: 2_000_000, churn: true })
  begin()
  await Promise.all(workers.map((worker) => worker.terminate()))
  for (let worker = 1; worker <= 4; worker++) table.retire(worker)
  for (let entry = 0; entry < maxTracked; entry++) if (table.open(entry) !== 0) t.fail(`entry ${entry}`)
  const survivor = new PerSourceTable(1, 4, seed, table.buffer)
  for (let i = 0; i < 50; i++)
    t.is(said(survivor.admit(1, { ...unlimited, connections: 1 }, ip(`10.0.0.${i}`), 0)), 'counted')
})
