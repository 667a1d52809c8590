import type { Answer, ConfigInUse } from './admin/source.ts'
import type { Config } from './config/config.ts'
import type { ConfigSource } from './config/loaded.ts'
import { differences, type Written } from './config/written.ts'
import type { Endpoints } from './control/endpoints.ts'
import type { ListenerRules } from './control/listener-rules.ts'
import type { Publication } from './control/publication.ts'
import { bindErrorText } from './control/workers/bind-error.ts'
import type { DataPlane } from './control/workers/data-plane.ts'
import { BindError } from './control/workers/sockets.ts'
import type { Log, LogLevel } from './core/log.ts'
import type { ConfigStatus } from './core/status.ts'
import { selfForward } from './discovery/self-forward.ts'
import { hostAddresses } from './host.ts'
import { holderText } from './linux/port-holder.ts'

/**
 * What only a restart can change: threads are born with it, and others find us by the admin pages and the
 * hand-over's name.
 */
const fixedKeys = ['workers', 'plane', 'admin', 'handover'] as const
/** The part of a key that a restart is needed for. */
const fixedPart = ({ workers, plane, admin: { socket, listen }, handover }: Config) => ({
  workers,
  plane,
  admin: { socket, listen },
  handover,
})

export interface ReloadOptions {
  readonly source: ConfigSource
  readonly log: Log
  readonly setLogLevel: (level: LogLevel) => void
  /** Called around every reload, whoever asked for it. */
  readonly reload?: (phase: 'begun' | 'over') => void
  readonly nowMs: () => number
  readonly draining: () => boolean
  /** Why this host cannot run a valid configuration; null: it can. */
  readonly obstacle: (config: Config) => string | null
  readonly dataPlane: DataPlane
  readonly endpoints: Endpoints
  readonly rules: ListenerRules
  readonly publication: Publication
}

/** Nobody reads a list of more. */
const mostChanges = 50

/** What another configuration changes, in the lines of a message that begins with where it comes from. */
function changesText(before: Written | null, after: Written | null): string {
  if (before === null || after === null) return ''
  const changes = differences(before, after)
  if (changes.length === 0) return ': no key has changed'
  const shown = changes.slice(0, mostChanges)
  const more = changes.length - shown.length
  if (more > 0) shown.push(`and ${more} more`)
  return [':', ...shown].join('\n  ')
}

/** How a new configuration takes the place of the one in force: whole or not at all. */
export class Reload {
  readonly #options: ReloadOptions
  #loadedMs: number
  #last = { successful: true, message: 'as started' }
  /** What is in use, as it was written; null: nobody wrote it. */
  #written: Written | null
  #refused: { readonly message: string; readonly atMs: number } | null = null
  #reloading: Promise<unknown> = Promise.resolve()

  constructor(options: ReloadOptions) {
    this.#options = options
    this.#loadedMs = options.nowMs()
    this.#written = options.source.begun ?? null
  }

  get status(): ConfigStatus {
    const { source, nowMs } = this.#options
    return { source: source.name, loadedMsAgo: nowMs() - this.#loadedMs, lastReload: this.#last }
  }

  /** What is in use, and what was refused since. */
  get inUse(): ConfigInUse {
    const { source, nowMs } = this.#options
    const refused = this.#refused && {
      message: this.#refused.message,
      msAgo: nowMs() - this.#refused.atMs,
    }
    return {
      source: source.name,
      loadedMsAgo: nowMs() - this.#loadedMs,
      text: this.#written?.text ?? null,
      refused,
    }
  }

  /** Applies the configuration as it is now. Never rejects; one at a time. */
  ask(): Promise<Answer> {
    const next = this.#reloading.then(async () => {
      this.#options.reload?.('begun')
      const answer = await this.#reload().catch((error) => this.#failed(error))
      this.#options.reload?.('over')
      return answer
    })
    this.#reloading = next
    return next
  }

  async #reload(): Promise<Answer> {
    const { source, log, nowMs } = this.#options
    if (source.load === null) {
      return { ok: false, message: `there is no file to reload: the configuration is the ${source.name}` }
    }
    const loaded = source.load()
    const failure = loaded.kind === 'invalid' ? loaded.message : await this.#apply(loaded.config)
    this.#last = { successful: failure === null, message: failure ?? 'applied' }
    if (failure !== null) {
      this.#refused = { message: failure, atMs: nowMs() }
      log.error({ source: source.name }, `configuration not reloaded, nothing has changed:\n${failure}`)
      return { ok: false, message: failure }
    }
    this.#loadedMs = nowMs()
    this.#refused = null
    const written = loaded.kind === 'ok' ? (loaded.written ?? null) : null
    const news = changesText(this.#written, written)
    this.#written = written
    if (loaded.kind === 'ok') for (const warning of loaded.warnings) log.warn({}, warning)
    log.info({ source: source.name }, `configuration reloaded from ${source.name}${news}`)
    return { ok: true, message: `applied ${source.name}${news}` }
  }

  /** A fault of our own, at a place that nobody knows: what is in use may be a part of either. */
  #failed(error: unknown): Answer {
    const { source, log } = this.#options
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const message = `spliceway's own fault, maybe half way through: compare "spliceway config" and "spliceway status"\n${text}`
    this.#last = { successful: false, message }
    log.error({ source: source.name }, `configuration not reloaded: ${message}`)
    return { ok: false, message }
  }

  /** null: applied; otherwise why not, and nothing has changed. */
  async #apply(config: Config): Promise<string | null> {
    const { draining, dataPlane, endpoints, rules, publication, setLogLevel } = this.#options
    if (draining()) return 'the program is draining'
    const [now, next] = [fixedPart(publication.config), fixedPart(config)]
    const changed = fixedKeys.filter((key) => JSON.stringify(next[key]) !== JSON.stringify(now[key]))
    if (changed.length > 0)
      return `only a restart can change ${changed.map((key) => `\`${key}\``).join(', ')}`
    const loop = selfForward(config, hostAddresses())
    if (loop !== null) return loop
    const obstacle = this.#options.obstacle(config)
    if (obstacle !== null) return obstacle
    if (!dataPlane.slots.fits(config.listeners.map(({ name }) => name))) {
      return 'too many listeners beside removed ones that still have connections: try again when those are over'
    }
    const prepared = await rules.prepare(config.listeners)
    if (prepared.kind === 'faulty') return prepared.message
    let opened: () => Promise<void>
    try {
      opened = dataPlane.rebind(config.listeners)
    } catch (error) {
      prepared.drop()
      if (error instanceof BindError) return bindErrorText(error, process.getuid?.() ?? 0, holderText)
      throw error
    }
    publication.take(config)
    setLogLevel(config.log.level)
    prepared.take()
    endpoints.update(config)
    publication.publish()
    await opened()
    return null
  }
}
