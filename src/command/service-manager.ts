import type { Readiness } from '../admin/source.ts'
import type { Status } from '../core/status.ts'
import type { Notify } from '../linux/notify.ts'

/** What of an App a service manager hears of. */
export interface Supervised {
  status(): Status
  live(): Readiness
}

export interface ServiceManagerOptions {
  readonly notify: Notify
  /** Silence after which the manager ends the program; null: it does not watch. */
  readonly watchdogMs: number | null
  /** CLOCK_MONOTONIC, in microseconds. */
  readonly monotonicUsec: () => bigint
}

/** How often the status line is looked at; a watchdog that is shorter than twice this sets the pace. */
const lookMs = 5_000
/** What a stop may take beyond the drain's deadline: the same that the unit and the Pods leave. */
const stopGraceMs = 5_000
/** One line of `systemctl status`. */
const longestStatus = 200

/** Tells a service manager (sd_notify(3)) that the program is ready, reloads, lives, and stops. */
export class ServiceManager {
  readonly #options: ServiceManagerOptions
  #app: Supervised | null = null
  #stopping = false
  #muted = false
  #lastStatus = ''
  #timer: NodeJS.Timeout | null = null

  constructor(options: ServiceManagerOptions) {
    this.#options = options
  }

  /** New connections are served: whoever waits for the program may go on. */
  ready(app: Supervised): void {
    this.#app = app
    this.#tell('READY=1', ...this.#news())
    const { watchdogMs } = this.#options
    // Half of the limit, as sd_watchdog_enabled(3) advises.
    this.#timer = setInterval(() => this.#beat(), Math.min(lookMs, (watchdogMs ?? Infinity) / 2))
    this.#timer.unref()
  }

  /**
   * Brackets a reload, whoever asked for it. Without the time, Type=notify-reload takes the message for one
   * about an earlier reload.
   */
  reload(phase: 'begun' | 'over'): void {
    if (this.#app === null || this.#stopping) return
    if (phase === 'begun') {
      this.#tell('RELOADING=1', `MONOTONIC_USEC=${this.#options.monotonicUsec()}`, 'STATUS=reloading')
      this.#lastStatus = ''
    } else this.#tell('READY=1', ...this.#news())
  }

  /**
   * A drain has begun that ends within `deadlineMs`; the manager's own limit may be shorter, and is moved.
   */
  stopping(deadlineMs: number): void {
    this.#stopping = true
    this.#tell('STOPPING=1', `EXTEND_TIMEOUT_USEC=${(deadlineMs + stopGraceMs) * 1_000}`, ...this.#news())
  }

  /**
   * The process of this pid, of the same service, has taken the place of this one for good. From now on it
   * speaks: a word of ours about our end would be taken for the end of the service.
   */
  followed(pid: number): void {
    this.#tell(`MAINPID=${pid}`)
    this.#muted = true
  }

  /** Resolves when the manager has been told everything. */
  close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    return this.#options.notify.close()
  }

  #beat(): void {
    const live = this.#options.watchdogMs !== null && this.#app?.live().ok === true
    this.#tell(...(live ? ['WATCHDOG=1'] : []), ...this.#news())
  }

  /** The status line, if it is another one than before. */
  #news(): readonly string[] {
    const line = this.#app === null ? '' : statusLine(this.#app.status())
    if (line === this.#lastStatus) return []
    this.#lastStatus = line
    return [`STATUS=${line}`]
  }

  #tell(...assignments: readonly string[]): void {
    if (assignments.length > 0 && !this.#muted) this.#options.notify.tell(assignments)
  }
}

/** The program in a line, without what changes with every connection: `serving; 3 of 4 endpoints up`. */
export function statusLine({ state, connections, pools, config }: Status): string {
  if (state === 'draining') return `draining; connections left: ${connections.active}`
  const endpoints = pools.flatMap((pool) => pool.endpoints)
  const up = endpoints.filter((endpoint) => endpoint.state === 'up').length
  const line = `${state}; ${up} of ${endpoints.length} endpoints up`
  const { successful, message } = config.lastReload
  const whole = successful ? line : `${line}; configuration not reloaded: ${message.split('\n')[0]}`
  return whole.slice(0, longestStatus)
}

/** $WATCHDOG_USEC in milliseconds; null when there is none, or it is meant for another process. */
export function watchdogMs(env: NodeJS.ProcessEnv, pid: number): number | null {
  const { WATCHDOG_USEC: usec = '', WATCHDOG_PID: watched = String(pid) } = env
  return watched === String(pid) && /^[1-9]\d*$/.test(usec) ? Number(usec) / 1_000 : null
}
