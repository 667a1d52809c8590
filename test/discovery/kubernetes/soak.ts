import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as rest, setImmediate as turn } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { formatIp } from '../../../src/core/address.ts'
import type { After } from '../../../src/core/after.ts'
import { connectCluster } from '../../../src/discovery/kubernetes/api.ts'
import {
  type KubernetesSource,
  kubernetesSource,
} from '../../../src/discovery/kubernetes/kubernetes-source.ts'
import { RecordedLog } from '../../control/fixture.ts'
import { ApiServer } from '../../helpers/api-server.ts'
import type { SliceObject } from '../../helpers/slice-object.ts'
import { serverCertificate } from './bench.ts'

/** The source's time runs so much faster: pauses of seconds are milliseconds. */
const haste = 20
const visitors = 4
/** As connect.budget: how long a request looks for an endpoint that accepts. */
const budgetMs = 10_000
const pods = 9
const slices = 3
/** How often the API server breaks, for each change. */
const disturbed = 1 / 100

/**
 * Changes the endpoints of a Service so many times, breaks its API server now and then, and makes requests meanwhile:
 * none may fail while one endpoint is ready. `SEED` plays the same changes again.
 */
export async function soak(t: ExecutionContext, changes: number): Promise<void> {
  const seed = Number(process.env.SEED ?? 20_261_122)
  t.log(`SEED=${seed}`)
  const random = randomFrom(seed)
  const fleet = await Fleet.start(t)
  const server = await ApiServer.start({ certificate: serverCertificate, tokens: ['good'] })
  fleet.show(server)
  const source = follow(t, server)
  await server.until(() => server.watches === 1)

  const visits = Array.from({ length: visitors }, () => visit(source, fleet))
  const disturbances = [0, 0, 0, 0, 0, 0]
  for (let i = 0; i < changes; i++) {
    await fleet.change(server, random)
    await turn()
    if (random() < disturbed) {
      const which = Math.floor(random() * disturbances.length)
      disturbances[which] = (disturbances[which] ?? 0) + 1
      await disturb(server, which)
    }
  }
  fleet.over = true
  const results = await Promise.all(visits)
  const sum = (of: (visits: Visits) => number) => results.reduce((total, visits) => total + of(visits), 0)
  const done = sum((visits) => visits.done)
  t.deepEqual(
    results.flatMap(({ failed }) => failed),
    [],
  )
  t.true(done > changes / 10, `only ${done} requests`)
  await fleet.agrees(source)
  t.deepEqual(server.violations, [])
  const told = [...source.failures]
    .flatMap(([kind, count]) => (count > 0 ? [`${kind} ${count}`] : []))
    .join(', ')
  t.log(
    `${changes} changes, ${done} requests, 0 failed, ${sum((visits) => visits.failedOver)} dials went elsewhere`,
  )
  t.log(`${disturbances.reduce((a, b) => a + b)} times the API server broke: ${told}`)
}

/** Each of them happens to real servers. No pod changes meanwhile: its status could not be written either. */
async function disturb(server: ApiServer, which: number): Promise<void> {
  await server.until(() => server.watches === 1)
  switch (which) {
    case 0: {
      await server.crash()
      server.mood = { kind: 'refuse', code: 403, retryAfterSeconds: null }
      await server.revive()
      await server.until(() => server.asked.length > 0 && server.connections > 0)
      server.mood = { kind: 'serve' }
      break
    }
    case 1:
      server.breakWatches('{"type":"DELETED","object":{"metadata":{"na', 'reset')
      break
    case 2:
      server.elsewhere()
      server.forget()
      server.endWatches()
      break
    case 3:
      server.breakWatches('{"type":"MODIFIED","object":{"metadata":{}}}\n', 'end')
      break
    case 4:
      server.compact()
      server.failWatches(410, 'Expired')
      break
    case 5:
      await server.crash()
      server.restore(Math.max(1, server.revision - 500))
      await server.revive()
      break
  }
  await server.until(() => server.watches === 0)
  await server.until(() => server.watches === 1)
}

type Phase = 'absent' | 'starting' | 'ready' | 'leaving'

/**
 * Backends at 127.0.1.1 and so on, one port for all; each is a pod that is born, gets ready, leaves and is gone. No API
 * server takes loopback addresses: there they are 10.0.1.1 and so on.
 */
class Fleet {
  over = false
  readonly #port: number
  readonly #phases: Phase[] = Array.from({ length: pods }, (_, i) => (i < 3 ? 'ready' : 'absent'))
  readonly #listening: (Server | null)[] = []
  readonly #open = new Set<Socket>()

  private constructor(port: number) {
    this.#port = port
  }

  static async start(t: ExecutionContext): Promise<Fleet> {
    const first = createServer().listen(0, host(0))
    await once(first, 'listening')
    const { port } = first.address() as AddressInfo
    await new Promise((closed) => first.close(closed))
    const fleet = new Fleet(port)
    for (const [pod, phase] of fleet.#phases.entries()) if (phase === 'ready') await fleet.#serve(pod)
    t.teardown(() => {
      for (let pod = 0; pod < pods; pod++) fleet.#kill(pod)
      for (const socket of fleet.#open) socket.destroy()
    })
    return fleet
  }

  /** Writes all three slices. */
  show(server: ApiServer): void {
    for (let slice = 0; slice < slices; slice++) server.set(this.#slice(slice))
  }

  /**
   * One pod moves on, and its slice with it: ready ones leave in order or die. The last one that is ready stays; one that
   * is gone refuses from that moment, before anybody can know.
   */
  async change(server: ApiServer, random: () => number): Promise<void> {
    const pod = Math.floor(random() * pods)
    this.#phases[pod] = await this.#next(pod, random() < 0.5)
    server.set(this.#slice(pod % slices))
  }

  async #next(pod: number, dies: boolean): Promise<Phase> {
    switch (this.#phases[pod] ?? 'absent') {
      case 'absent':
        return 'starting'
      case 'starting':
        await this.#serve(pod)
        return 'ready'
      case 'ready':
        if (this.#phases.filter((phase) => phase === 'ready').length === 1) return 'ready'
        if (!dies) return 'leaving'
        this.#kill(pod)
        return 'absent'
      case 'leaving':
        this.#kill(pod)
        return 'absent'
    }
  }

  /** Resolves when what the source says is what is so. */
  async agrees(source: KubernetesSource): Promise<void> {
    const expected = this.#phases.flatMap((phase, pod) => (phase === 'ready' ? [podIp(pod)] : [])).join()
    for (let i = 0; i < 1000 && this.#known(source) !== expected; i++) await rest(10)
    if (this.#known(source) !== expected) throw new Error(`${this.#known(source)} is not ${expected}`)
  }

  #known({ answer }: KubernetesSource): string {
    return answer.kind === 'none' ? '' : answer.endpoints.map(({ address }) => formatIp(address)).join()
  }

  #slice(slice: number): SliceObject {
    const here = this.#phases.flatMap((phase, pod) =>
      pod % slices === slice && phase !== 'absent' ? [endpointOf(podIp(pod), phase)] : [],
    )
    return {
      metadata: { name: `kong-${slice}`, labels: { 'kubernetes.io/service-name': 'kong' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: this.#port, protocol: 'TCP' }],
      endpoints: here,
    }
  }

  async #serve(pod: number): Promise<void> {
    if (this.#listening[pod] != null) return
    const server = createServer((socket) => {
      this.#open.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.#open.delete(socket))
      socket.once('data', (request) => socket.end(request))
    })
    server.listen(this.#port, host(pod))
    await once(server, 'listening')
    this.#listening[pod] = server
  }

  #kill(pod: number): void {
    this.#listening[pod]?.close()
    this.#listening[pod] = null
  }
}

function host(pod: number): string {
  return `127.0.1.${pod + 1}`
}

function podIp(pod: number): string {
  return `10.0.1.${pod + 1}`
}

function endpointOf(ip: string, phase: Phase): object {
  const conditions = {
    ready: phase === 'ready',
    serving: phase !== 'starting',
    terminating: phase === 'leaving',
  }
  return { addresses: [ip], conditions, nodeName: `node-${ip}` }
}

interface Visits {
  readonly done: number
  readonly failed: readonly string[]
  readonly failedOver: number
}

/** One request after the other, to endpoint after endpoint as the source knows them at that moment, within the budget. */
async function visit(source: KubernetesSource, fleet: Fleet): Promise<Visits> {
  let done = 0
  let failedOver = 0
  const failed: string[] = []
  for (; !fleet.over; done++) {
    const tried: string[] = []
    const deadlineMs = performance.now() + budgetMs
    let served = false
    while (!served && performance.now() < deadlineMs) {
      const { answer } = source
      const endpoints = answer.kind === 'none' ? [] : answer.endpoints
      for (const { address } of rotated(endpoints, done)) {
        served = await exchange(formatIp(address).replace(/^10\./, '127.'), address.port, `request ${done}`)
        if (served) break
        failedOver++
        tried.push(formatIp(address))
      }
      if (!served) await rest(10)
    }
    if (!served) failed.push(`request ${done} tried ${tried.join()}`)
  }
  return { done, failed, failedOver }
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const at = items.length === 0 ? 0 : by % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}

/** Whether the whole request came back. */
async function exchange(to: string, port: number, request: string): Promise<boolean> {
  const socket = connect({ host: to, port })
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => {})
  socket.end(request)
  await new Promise((closed) => socket.once('close', closed))
  return Buffer.concat(chunks).toString() === request
}

function follow(t: ExecutionContext, server: ApiServer): KubernetesSource {
  const cluster = {
    from: 'test',
    server: `https://127.0.0.1:${server.port}`,
    serverName: null,
    ca: { kind: 'text', text: serverCertificate.cert },
    insecure: false,
    token: { kind: 'text', text: 'good' },
    certificate: null,
  } as const
  const api = connectCluster(async () => ({ kind: 'cluster', cluster }), 'spliceway/test')
  const after: After = (ms, fire) => {
    const timer = setTimeout(fire, ms / haste)
    return () => clearTimeout(timer)
  }
  const options = {
    pool: 'web',
    service: { namespace: 'default', name: 'kong' },
    port: 'http',
    locality: 'any',
    snapshotPath: null,
  } as const
  const source = kubernetesSource(options, {
    api,
    node: { name: null, zone: null },
    log: new RecordedLog(),
    after,
    nowMs: () => performance.now() * haste,
    wallMs: () => Date.now(),
    random: Math.random,
    changed: () => {},
  })
  t.teardown(async () => {
    source.stop()
    await api.close()
    await server.stop()
  })
  return source
}

/** mulberry32. */
function randomFrom(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
