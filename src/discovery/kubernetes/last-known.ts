import { readFileSync, statSync } from 'node:fs'
import { rename, utimes, writeFile } from 'node:fs/promises'
import type { After } from '../../core/after.ts'
import type { Log } from '../../core/log.ts'
import { fileErrorText } from '../../core/wording.ts'
import type { EndpointSlice } from './endpoint-slice.ts'
import type { ServiceName } from './list-watch.ts'
import { ShapeError } from './received.ts'
import { readSliceList } from './slice-shape.ts'
import { parsed } from './watch-event.ts'

export interface LastKnownDeps {
  readonly log: Log
  readonly after: After
  /** Milliseconds since 1970. */
  readonly wallMs: () => number
}

export interface Remembered {
  readonly slices: readonly EndpointSlice[]
  readonly ageMs: number
}

/** Changes come in bursts, and a start needs only the last. */
const paceMs = 1_000

/**
 * The file's age has to be that of the last answer, not of the last change: the file of a Service in which
 * nothing changes is touched this often.
 */
const freshMs = 600_000

const serviceLabel = 'kubernetes.io/service-name'

/**
 * The slices of a Service on disk, for a start while no API server answers. The file is an EndpointSliceList
 * such as `kubectl get --raw` prints; the file's age is how long ago the API server confirmed it, give or
 * take ten minutes.
 */
export class LastKnown {
  readonly #file: string
  readonly #service: ServiceName
  readonly #deps: LastKnownDeps
  /** To be written; null: nothing new. */
  #latest: readonly EndpointSlice[] | null = null
  #busy = false
  #failing = false
  /** When the file was written or touched by us; null: never. */
  #freshAtMs: number | null = null
  #stopped = false
  #cancel: () => void = () => {}

  constructor(file: string, service: ServiceName, deps: LastKnownDeps) {
    this.#file = file
    this.#service = service
    this.#deps = deps
  }

  /**
   * What was saved; null: nothing usable. A file of another Service is not used, nor one that is broken: that
   * is logged.
   */
  load(): Remembered | null {
    try {
      const text = readFileSync(this.#file, 'utf8')
      const ageMs = Math.max(0, this.#deps.wallMs() - statSync(this.#file).mtimeMs)
      const list = parsed(text, this.#file)
      const { namespace, name } = this.#service
      for (const item of list.get('items').list()) {
        const metadata = item.get('metadata')
        const found = `${metadata.get('namespace').text()}/${metadata.get('labels').get(serviceLabel).text()}`
        if (found !== `${namespace}/${name}`) throw new ShapeError(`it is of service ${found}`)
      }
      const { slices } = readSliceList(list)
      return slices.length === 0 ? null : { slices, ageMs }
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
      const message = `${this.#file} is not used: ${fileErrorText(error)}`
      this.#deps.log.warn({ file: this.#file }, message)
      return null
    }
  }

  /** Writes within a second, by rename; a failure is logged once until it is over. */
  save(slices: readonly EndpointSlice[]): void {
    this.#latest = slices
    if (this.#busy || this.#stopped) return
    this.#busy = true
    this.#cancel = this.#deps.after(paceMs, () => void this.#write())
  }

  /** What was saved last is still valid. */
  confirm(): void {
    const nowMs = this.#deps.wallMs()
    if (this.#busy || this.#freshAtMs === null || nowMs - this.#freshAtMs < freshMs) return
    this.#freshAtMs = nowMs
    const now = new Date(nowMs)
    void utimes(this.#file, now, now).catch(() => {}) // the next save() says what is wrong
  }

  /** A write that has not begun is dropped. */
  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  async #write(): Promise<void> {
    const slices = this.#latest ?? []
    this.#latest = null
    try {
      const temporary = `${this.#file}.new`
      await writeFile(temporary, `${JSON.stringify(this.#list(slices))}\n`, { mode: 0o600 })
      await rename(temporary, this.#file)
      this.#failing = false
      this.#freshAtMs = this.#deps.wallMs()
    } catch (error) {
      if (!this.#failing) {
        const message = `${this.#file} cannot be written: ${fileErrorText(error)}; a start without API server would know nothing`
        this.#deps.log.warn({ file: this.#file }, message)
      }
      this.#failing = true
    }
    this.#busy = false
    if (this.#latest !== null) this.save(this.#latest)
  }

  /** What readSliceList() reads. */
  #list(slices: readonly EndpointSlice[]): object {
    const { namespace, name } = this.#service
    return {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSliceList',
      metadata: { resourceVersion: '0' },
      items: slices.map((slice) => ({
        metadata: { namespace, name: slice.name, labels: { [serviceLabel]: name } },
        addressType: slice.addressType,
        ports: slice.ports,
        endpoints: slice.endpoints.map((endpoint) => ({
          addresses: [endpoint.address],
          conditions: {
            ready: endpoint.ready,
            serving: endpoint.serving,
            terminating: endpoint.terminating,
          },
          nodeName: endpoint.node,
          zone: endpoint.zone,
          targetRef: { name: endpoint.target },
          hints: {
            forNodes: endpoint.forNodes.map((hint) => ({ name: hint })),
            forZones: endpoint.forZones.map((hint) => ({ name: hint })),
          },
        })),
      })),
    }
  }
}
