import type { DrainConfig } from '../config/config.ts'
import type { After } from '../core/after.ts'
import type { Log } from '../core/log.ts'

/** How often it looks whether anything is left. */
const lookMs = 50
/** After the last reset: for workers to report the ends of their connections. */
const graceMs = 1_000

export interface DrainOptions {
  readonly config: DrainConfig
  readonly log: Log
  readonly after: After
  readonly nowMs: () => number
  readonly active: () => number
  /** Another process serves new connections, or none is to be served: accepting ends with `notReadyDelay`. */
  readonly relieved: () => boolean
  /** Closes the listening sockets; resolves when every worker has. */
  readonly stopAccepting: () => Promise<void>
  /** FIN to connections as they fall silent, spread over the window. */
  readonly retire: (windowMs: number, idleAfterMs: number) => void
  /** RST to what is left. */
  readonly kill: () => void
}

/**
 * Case 17 of docs/contract.md; all times count from the call. The caller has already made the program not
 * ready. Accepting goes on for `notReadyDelayMs` and then, unless the process is relieved, until the first
 * moment without a connection: otherwise nobody would serve while the last connections end. During the last
 * `windowMs` before `deadlineMs` silent connections are closed; at the deadline the rest is reset. Resolves
 * when no connection is left and none is accepted any more, or shortly after the deadline.
 */
export function drain(options: DrainOptions): Promise<void> {
  const { config, log, after, nowMs, active, relieved } = options
  const startMs = nowMs()
  const { promise, resolve } = Promise.withResolvers<void>()
  const timers: (() => void)[] = []
  let accepting = true
  let killed = false

  const end = (): void => {
    for (const cancel of timers) cancel()
    resolve()
  }
  const look = (): void => {
    const left = active()
    const elapsedMs = nowMs() - startMs
    if (left === 0 || (killed && elapsedMs >= config.deadlineMs + graceMs)) end()
    else after(lookMs, look)
  }
  const stopAccepting = async (): Promise<void> => {
    accepting = false
    await options.stopAccepting()
    const left = active()
    if (left > 0)
      log.info({ connections: left }, `draining: accepting has stopped, ${connections(left)} left`)
    look()
  }
  const lookForAnEnd = (): void => {
    if (!accepting) return
    if (active() === 0 || relieved()) void stopAccepting()
    else after(lookMs, lookForAnEnd)
  }
  const delayOver = (): void => {
    const left = active()
    if (left > 0 && !relieved())
      log.info(
        { connections: left },
        `draining: accepts on until the first moment without a connection, ${connections(left)} left`,
      )
    lookForAnEnd()
  }
  const kill = (): void => {
    if (accepting) void stopAccepting()
    const left = active()
    if (left > 0)
      log.warn(
        { connections: left },
        `draining: the deadline is reached, ${connections(left)} left to be reset`,
      )
    killed = true
    options.kill()
  }
  timers.push(
    after(Math.min(config.notReadyDelayMs, config.deadlineMs), delayOver),
    after(Math.max(0, config.deadlineMs - config.windowMs), () =>
      options.retire(config.windowMs, config.idleAfterMs),
    ),
    after(config.deadlineMs, kill),
    after(config.deadlineMs + graceMs, end), // a worker that hangs never says that it has stopped accepting
  )
  return promise
}

function connections(count: number): string {
  return count === 1 ? '1 connection' : `${count} connections`
}
