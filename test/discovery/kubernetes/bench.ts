import { EventEmitter } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { formatAddress } from '../../../src/core/address.ts'
import { type Api, connectCluster } from '../../../src/discovery/kubernetes/api.ts'
import type { Cluster } from '../../../src/discovery/kubernetes/cluster.ts'
import type { OurNode } from '../../../src/discovery/kubernetes/endpoint-slice.ts'
import {
  type KubernetesOptions,
  type KubernetesSource,
  kubernetesSource,
} from '../../../src/discovery/kubernetes/kubernetes-source.ts'
import { FakeClock, RecordedLog } from '../../control/fixture.ts'
import { ApiServer, type ApiServerOptions } from '../../helpers/api-server.ts'
import { certificate } from '../../helpers/certificate.ts'
import type { SliceObject } from '../../helpers/slice-object.ts'

/** Making one takes openssl 20 ms; all servers of a test file can share it. */
export const serverCertificate = certificate(['localhost', '127.0.0.1', '::1', 'kubernetes.default.svc'])

const patienceMs = 10_000

/** A source, the API server that it asks, and a clock that stands still. */
export class Bench {
  readonly clock = new FakeClock()
  readonly log = new RecordedLog()
  readonly server: ApiServer
  /** What a source is given; a test may give it another one, and closes that. */
  api: Api
  readonly tokenFile: string
  readonly folder: string
  changes = 0
  /** Of the source's wall clock to ours. */
  wallAheadMs = 0
  /** The time for which the source waits, as it said last. */
  awaitedMs = 0
  readonly #own: Api
  readonly #happened = new EventEmitter()

  private constructor(server: ApiServer, folder: string) {
    this.server = server
    this.folder = folder
    this.tokenFile = join(folder, 'token')
    this.writeToken('good')
    this.#own = this.connect()
    this.api = this.#own
    server.on('event', () => this.#happened.emit('event'))
  }

  static async start(t: ExecutionContext, options: Partial<ApiServerOptions> = {}): Promise<Bench> {
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-kubernetes-'))
    const server = await ApiServer.start({ certificate: serverCertificate, tokens: ['good'], ...options })
    const bench = new Bench(server, folder)
    t.teardown(() => bench.#end())
    return bench
  }

  /** Sources are stopped by now: nothing of them may be left. */
  async #end(): Promise<void> {
    await this.#own.close()
    await this.until(() => this.server.connections === 0)
    await this.server.stop()
    rmSync(this.folder, { recursive: true, force: true })
    if (this.clock.pending > 0) throw new Error(`${this.clock.pending} timers are left`)
    if (this.server.violations.length > 0) throw new Error(this.server.violations.join(', '))
  }

  cluster(changes: Partial<Cluster> = {}): Cluster {
    return {
      from: 'test',
      server: `https://127.0.0.1:${this.server.port}`,
      serverName: null,
      ca: { kind: 'text', text: serverCertificate.cert },
      insecure: false,
      token: { kind: 'file', file: this.tokenFile },
      certificate: null,
      ...changes,
    }
  }

  /** A connection to a cluster of which something is different. */
  connect(changes: Partial<Cluster> = {}): Api {
    return connectCluster(async () => ({ kind: 'cluster', cluster: this.cluster(changes) }), 'spliceway/test')
  }

  /** With the newline that an editor leaves. */
  writeToken(token: string): void {
    writeFileSync(this.tokenFile, `${token}\n`)
  }

  source(changes: Partial<KubernetesOptions> = {}): KubernetesSource {
    return this.sourceOn({ name: 'node-a', zone: 'zone-1' }, changes)
  }

  sourceOn(node: OurNode, changes: Partial<KubernetesOptions> = {}): KubernetesSource {
    const options: KubernetesOptions = {
      pool: 'web',
      service: { namespace: 'default', name: 'kong' },
      port: 'http',
      locality: 'any',
      snapshotPath: null,
      ...changes,
    }
    const told = () => this.#happened.emit('event')
    const log = this.log
    return kubernetesSource(options, {
      api: this.api,
      node,
      log: {
        info: (fields, message) => [log.info(fields, message), told()],
        warn: (fields, message) => [log.warn(fields, message), told()],
        error: (fields, message) => [log.error(fields, message), told()],
      },
      after: (ms, fire) => {
        this.awaitedMs = ms
        queueMicrotask(told)
        return this.clock.after(ms, fire)
      },
      nowMs: this.clock.nowMs,
      wallMs: () => Date.now() + this.wallAheadMs,
      random: () => 0.5,
      changed: () => {
        this.changes++
        told()
      },
    })
  }

  /** A source that has its first answer and watches. */
  async watching(t: ExecutionContext, changes: Partial<KubernetesOptions> = {}): Promise<KubernetesSource> {
    const source = this.source(changes)
    t.teardown(() => source.stop())
    await source.first
    await this.until(() => this.listening)
    return source
  }

  /** The source has the head of its watch and waits for events: 450 s and a half, or until the next bookmark. */
  get listening(): boolean {
    return this.server.watches === 1 && (this.awaitedMs === 480_000 || this.awaitedMs === 100_000)
  }

  /** Resolves when it is true; looked at whenever something happens to the source, its timers or the server. */
  async until(condition: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(patienceMs)
    while (!condition()) {
      if (deadline.aborted) throw new Error(`waited ${patienceMs} ms for: ${condition}`)
      await new Promise<void>((resolve) => {
        const wake = () => {
          deadline.removeEventListener('abort', wake)
          this.#happened.off('event', wake)
          resolve()
        }
        deadline.addEventListener('abort', wake)
        this.#happened.on('event', wake)
      })
    }
  }

  /** So much time passes in a quiet cluster: there is a bookmark every minute, and one at the end. */
  async pass(source: KubernetesSource, ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 60_000) {
      this.clock.advance(Math.min(left, 60_000))
      this.server.bookmark()
      await this.until(() => confirmedMs(source) === this.clock.nowMs())
    }
  }

  /** The n-th failure of a kind has been counted, and the pause after it has begun. */
  async failed(source: KubernetesSource, kind: string, count = 1): Promise<void> {
    await this.until(() => {
      const counted = counts(source)[kind] ?? 0
      return counted >= count && this.clock.pending > 0
    })
  }

  /** The file is there. Its writing has no event: the folder is looked at. */
  async written(file: string): Promise<void> {
    for (let i = 0; i < patienceMs / 5 && !existsSync(file); i++) await setTimeout(5)
  }

  /** The file's time is later than that. It has no event either. */
  async touched(file: string, thanMs: number): Promise<void> {
    for (let i = 0; i < patienceMs / 5 && statSync(file).mtimeMs <= thanMs; i++) await setTimeout(5)
  }

  /** What was asked so far, in order: `list 0`, `watch 103`. */
  get asked(): string[] {
    return this.server.asked.map(({ kind, query }) => `${kind} ${query.resourceVersion ?? ''}`.trim())
  }
}

/** How often what has failed. */
export function counts(source: KubernetesSource): Readonly<Record<string, number>> {
  return Object.fromEntries([...source.failures].filter(([, count]) => count > 0))
}

/** When the API server last confirmed the endpoints; undefined: nothing is known. */
export function confirmedMs({ answer }: KubernetesSource): number | undefined {
  return answer.kind === 'known' ? answer.confirmedMs : undefined
}

export function addresses(source: KubernetesSource): string[] {
  const { answer } = source
  return answer.kind === 'none' ? [] : answer.endpoints.map(({ address }) => formatAddress(address))
}

/** A slice of service default/kong with these IPv4 addresses, all ready, on port 8000. */
export function slice(name: string, ips: readonly string[], changes: object = {}): SliceObject {
  return {
    metadata: { name, labels: { 'kubernetes.io/service-name': 'kong' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8000, protocol: 'TCP' }],
    endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
    ...changes,
  }
}
