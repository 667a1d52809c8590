import { Worker } from 'node:worker_threads'
import { parseRangeList } from '../src/config/range-list.ts'
import { type SocketAddress, socketAddress } from '../src/core/address.ts'
import { admitPeer } from '../src/core/admission.ts'
import { parseCidr } from '../src/core/cidr.ts'
import { type PerSourceLimit, PerSourceTable } from '../src/core/per-source.ts'
import { compileRanges, covers } from '../src/core/ranges.ts'
import { compileRoutes, route } from '../src/core/route.ts'
import { readClientHello } from '../src/protocol/client-hello.ts'
import { readProxy } from '../src/protocol/proxy-read.ts'
import { proxyV1 } from '../src/protocol/proxy-v1.ts'
import { proxyV2 } from '../src/protocol/proxy-v2.ts'
import { alpn, hello, keyShares, sni } from '../test/protocol/hello-bytes.ts'
import { median } from './harness/statistics.ts'

/**
 * What each decision ahead of the dial costs, alone: `node bench/preface.ts`. CPU time of the thread, medians of rounds
 * that take turns, so that a busy machine shifts all of them.
 */
const rounds = 9
const perRound = 200_000

const steps = new Map<string, (i: number) => unknown>()

const address = (text: string): SocketAddress => {
  const found = socketAddress(text, 1)
  if (found === undefined) throw new Error(text)
  return found
}
const clients = Array.from({ length: 4096 }, (_, i) =>
  address(`${11 + (i % 80)}.${(i * 7) % 256}.${(i * 13) % 256}.${i % 256}`),
)
const clients6 = Array.from({ length: 4096 }, (_, i) =>
  address(`2001:db8:${(i * 7).toString(16)}:${(i * 13).toString(16)}::1`),
)
const of = <T>(things: readonly T[], i: number): T => {
  const thing = things[i & 4095]
  if (thing === undefined) throw new RangeError(`${i}`)
  return thing
}

const [client, local] = [address('192.0.2.1'), address('198.51.100.7')]
const [v1, v2] = [proxyV1(client, local), proxyV2(client, local, 'c-17')]
steps.set('PROXY header v1', () => readProxy(v1))
steps.set('PROXY header v2 with an id', () => readProxy(v2))
const small = hello(sni('shop.example'), alpn('h2', 'http/1.1'))
const large = hello(sni('shop.example'), keyShares, alpn('h2', 'http/1.1'))
steps.set(`hello of ${small.length} bytes`, () => readClientHello(small))
steps.set(`hello of ${large.length} bytes, post-quantum`, () => readClientHello(large))

const manyNames = Array.from({ length: 10_000 }, (_, i) => `n${i}.example`)
for (const names of [['shop.example'], manyNames]) {
  const routes = compileRoutes([
    { sni: names, alpn: [], pool: 'a' },
    { sni: ['*.example'], alpn: ['h2'], pool: 'b' },
  ])
  const asked = names.length === 1 ? names : manyNames
  steps.set(`route by one of ${names.length} names`, (i) =>
    route(routes, asked[i % asked.length] ?? '', ['h2']),
  )
}

const ranges = (count: number) => {
  const texts = Array.from({ length: count }, (_, i) => [
    `${11 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.${(i & 1) * 128}/25`,
    `2001:db8:${(i >> 8).toString(16)}:${((i & 255) * 2).toString(16)}::/64`,
  ]).flat()
  return compileRanges(
    texts.flatMap((text) => {
      const parsed = parseCidr(text)
      return parsed.kind === 'ok' ? [parsed.cidr] : []
    }),
  )
}
for (const count of [10, 10_000, 100_000]) {
  const list = ranges(count)
  steps.set(`list of ${count} ranges, IPv4`, (i) => covers(list, of(clients, i)))
  steps.set(`list of ${count} ranges, IPv6`, (i) => covers(list, of(clients6, i)))
}

const limit: PerSourceLimit = {
  connections: 1_000_000,
  perSecond: 1e9,
  prefix4: 32,
  prefix6: 64,
  dryRun: false,
}
const table = new PerSourceTable(1, 4, 4711)
const takeAndGive = (i: number, who: readonly SocketAddress[]): void => {
  const verdict = table.admit(1, limit, of(who, i), i)
  if (verdict.kind === 'counted') table.release(verdict.entry)
}
const same = new Array<SocketAddress>(4096).fill(client)
steps.set('source in the shared table, one source', (i) => takeAndGive(i, same))
steps.set('source in the shared table, 4,096 sources', (i) => takeAndGive(i, clients))
steps.set('source in the shared table, 4,096 sources of IPv6', (i) => takeAndGive(i, clients6))

/** What a table in each worker would be: a map by the address as a number, and a part of the limit. */
const own = new Map<number, { open: number; fullAtMs: number }>()
steps.set('source in a map of the worker, 4,096 sources', (i) => {
  const { bytes } = of(clients, i)
  const key =
    (((bytes[0] ?? 0) << 24) | ((bytes[1] ?? 0) << 16) | ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)) >>> 0
  const entry = own.get(key) ?? { open: 0, fullAtMs: 0 }
  if (entry.fullAtMs === 0) own.set(key, entry)
  if (entry.open < 1_000_000 && entry.fullAtMs - i < 1000) {
    entry.open++
    entry.fullAtMs = Math.max(entry.fullAtMs, i) + 1e-6
    entry.open--
  }
})

const deny = ranges(10_000)
const admission = { listener: 1, header: null, allow: null, deny, perSource: null }
steps.set('admission: nothing configured', (i) =>
  admitPeer({ ...admission, deny: null }, table, of(clients, i), i),
)
steps.set('admission: 10,000 ranges denied', (i) => admitPeer(admission, table, of(clients, i), i))

function nsOf(step: (i: number) => unknown): number {
  const before = process.threadCpuUsage()
  for (let i = 0; i < perRound; i++) step(i)
  const { user, system } = process.threadCpuUsage(before)
  return ((user + system) * 1000) / perRound
}

const samples = new Map<string, number[]>([...steps.keys()].map((name) => [name, []]))
for (let round = 0; round <= rounds; round++) {
  for (const [name, step] of steps) {
    const ns = nsOf(step)
    if (round > 0) samples.get(name)?.push(ns) // the first one compiles
  }
}
console.log('| step | ns |\n| --- | --- |')
for (const [name, taken] of samples) console.log(`| ${name} | ${Math.round(median(taken))} |`)

/** The same table from several threads at once, one source or many: what the locks cost. */
async function crowded(threads: number, sources: number): Promise<number> {
  const shared = new PerSourceTable(0, threads, 4711)
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.module).then(({ PerSourceTable }) => {
      const table = new PerSourceTable(workerData.worker, workerData.threads, 4711, workerData.buffer)
      const run = () => {
        const before = process.threadCpuUsage()
        for (let i = 0; i < ${perRound}; i++) {
          const n = i % ${sources}
          const client = { family: 4, bytes: Uint8Array.of(10, n >> 8, n & 255, 1), port: 1 }
          const verdict = table.admit(1, ${JSON.stringify(limit)}, client, i)
          if (verdict.kind === 'counted') table.release(verdict.entry)
        }
        const { user, system } = process.threadCpuUsage(before)
        return (user + system) * 1000 / ${perRound}
      }
      run()
      const took = Array.from({ length: 5 }, run).sort((a, b) => a - b)
      parentPort.postMessage(took[2])
    })`
  const workers = Array.from({ length: threads }, (_, i) => {
    const module = new URL('../src/core/per-source.ts', import.meta.url).href
    return new Worker(code, {
      eval: true,
      workerData: { module, worker: i + 1, threads, buffer: shared.buffer },
    })
  })
  const took = await Promise.all(
    workers.map((worker) => new Promise<number>((resolve) => worker.once('message', resolve))),
  )
  return median(took)
}
console.log('\n| threads at once | ns, one source | ns, 4,096 sources |\n| --- | --- | --- |')
for (const threads of [1, 2, 4]) {
  const [one, many] = [await crowded(threads, 1), await crowded(threads, 4096)]
  console.log(`| ${threads} | ${Math.round(one)} | ${Math.round(many)} |`)
}

const text = (line: (i: number) => string): string =>
  Array.from({ length: 100_000 }, (_, i) => line(i)).join('\n')
const lists = {
  IPv4: text((i) => `${11 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/25`),
  IPv6: text((i) => `2001:db8:${(i >> 8).toString(16)}:${((i & 255) * 2).toString(16)}::/64`),
}
console.log('\n| list of 100,000 lines, read and compiled | ms |\n| --- | --- |')
for (const [name, list] of Object.entries(lists)) {
  const took = Array.from({ length: 5 }, () => {
    const before = process.threadCpuUsage()
    parseRangeList(list, 'list')
    const { user, system } = process.threadCpuUsage(before)
    return (user + system) / 1000
  })
  console.log(`| ${name} | ${Math.round(median(took))} |`)
}
