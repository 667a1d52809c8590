import type { RangeListConfig } from '../config/admission-field.ts'
import type { ListenerConfig } from '../config/config.ts'
import type { Admission } from '../core/admission.ts'
import { compileRanges, type Ranges } from '../core/ranges.ts'
import { compileRoutes } from '../core/route.ts'
import type { ListenerSnapshot } from '../core/snapshot.ts'
import { RangeFile, type RangeFileDeps } from './range-file.ts'

/** What a listener's connections are let in and sent on by. */
export type Rules = Pick<
  ListenerSnapshot,
  'admission' | 'routes' | 'perSecond' | 'refuse' | 'headerMs' | 'prefaceMs'
>

/** `take` or `drop` is called once. */
export type Prepared =
  | {
      readonly kind: 'ready'
      /** These listeners are in force: files that no list needs any more are left alone. */
      readonly take: () => void
      /** They are not: files that only they need are. */
      readonly drop: () => void
    }
  /** A list that there is no good version of; nothing has changed. */
  | { readonly kind: 'faulty'; readonly message: string }

type ListName = 'allow' | 'deny'

interface OpenFile {
  readonly listener: string
  readonly list: ListName
  readonly file: RangeFile
}

/**
 * Lists and routes of all listeners, compiled once for each configuration and not for each snapshot, and the
 * files that hold lists. A file stays open over a reload that does not change it, and so does its last good
 * list.
 */
export class ListenerRules {
  readonly #deps: RangeFileDeps
  #files: ReadonlyMap<string, OpenFile> = new Map()
  readonly #compiled = new WeakMap<ListenerConfig, ReturnType<typeof compile>>()

  constructor(deps: RangeFileDeps) {
    this.#deps = deps
  }

  /** Reads the files that are new. Never rejects. */
  async prepare(listeners: readonly ListenerConfig[]): Promise<Prepared> {
    const before = this.#files
    const next = new Map<string, OpenFile>()
    for (const listener of listeners) {
      for (const list of ['allow', 'deny'] as const) {
        const config = listener[list]
        if (config?.kind !== 'file') continue
        const key = keyOf(listener.name, list, config)
        const file = before.get(key) ?? this.#open(listener.name, list, config.path)
        next.set(key, file)
      }
    }
    await Promise.all(next.values().map(({ file }) => file.first))
    const stop = (these: ReadonlyMap<string, OpenFile>, kept: ReadonlyMap<string, OpenFile>): void => {
      for (const [key, { file }] of these) if (!kept.has(key)) file.stop()
    }
    const faults = [...next.values()].flatMap(({ listener, list, file }) =>
      file.ranges === null
        ? [`listener ${listener}: ${list}: file ${file.path} ${file.fault ?? 'cannot be read'}`]
        : [],
    )
    if (faults.length > 0) {
      stop(next, before)
      return { kind: 'faulty', message: faults.join('\n') }
    }
    return {
      kind: 'ready',
      take: () => {
        stop(before, next)
        this.#files = next
      },
      drop: () => stop(next, before),
    }
  }

  /** As a worker has them. `slot`: the listener's. */
  of(listener: ListenerConfig, slot: number): Rules {
    const compiled = this.#compiledOf(listener)
    const { acceptProxyProtocol: header, perSource, rate, refuse, prefaceTimeoutMs } = listener
    const allow = this.#ranges(listener, 'allow', compiled.allow)
    const deny = this.#ranges(listener, 'deny', compiled.deny)
    const { from } = compiled
    const admission: Admission = {
      listener: slot,
      header: header === null || from === null ? null : { from, others: header.others },
      allow,
      deny,
      perSource,
    }
    const admitsAll = from === null && allow === null && deny === null && perSource === null
    return {
      admission: admitsAll ? null : admission,
      routes: compiled.routes,
      perSecond: rate,
      refuse,
      headerMs: header?.timeoutMs ?? 0,
      prefaceMs: prefaceTimeoutMs,
    }
  }

  /** Of the configuration in force. */
  files(): readonly { readonly listener: string; readonly list: ListName; readonly current: boolean }[] {
    return [...this.#files.values()].map(({ listener, list, file }) => {
      return { listener, list, current: file.fault === null }
    })
  }

  stop(): void {
    for (const { file } of this.#files.values()) file.stop()
  }

  #open(listener: string, list: ListName, path: string): OpenFile {
    const file = new RangeFile(`listener ${listener}: ${list}`, path, list === 'deny', this.#deps)
    return { listener, list, file }
  }

  #ranges(listener: ListenerConfig, list: ListName, listed: Ranges | null): Ranges | null {
    const config = listener[list]
    if (config?.kind !== 'file') return listed
    const ranges = this.#files.get(keyOf(listener.name, list, config))?.file.ranges
    // Never null, which lets everybody in.
    if (ranges === undefined || ranges === null)
      throw new Error(`${listener.name}: ${list} is in force unread`)
    return ranges
  }

  #compiledOf(listener: ListenerConfig): ReturnType<typeof compile> {
    const known = this.#compiled.get(listener)
    if (known !== undefined) return known
    const compiled = compile(listener)
    this.#compiled.set(listener, compiled)
    return compiled
  }
}

function compile({ acceptProxyProtocol: header, allow, deny, routes }: ListenerConfig) {
  const listed = (list: ListenerConfig['allow']) =>
    list?.kind === 'listed' ? compileRanges(list.cidrs) : null
  return {
    from: header === null ? null : compileRanges(header.from),
    allow: listed(allow),
    deny: listed(deny),
    routes: routes.length === 0 ? null : compileRoutes(routes),
  }
}

function keyOf(
  listener: string,
  list: ListName,
  { path }: Extract<RangeListConfig, { kind: 'file' }>,
): string {
  return JSON.stringify([listener, list, path])
}
