import type { Verdict } from '../core/health.ts'
import { durationText, errorText, isLocal, tookText } from '../core/wording.ts'

export interface ProbeLimits {
  /** From the first step to the last. */
  readonly timeoutMs: number
  /** Aborting ends the probe at once with a verdict that nobody waits for. */
  readonly signal: AbortSignal
}

/**
 * A timeout is waited for in so many parts, one after the other: while this process stands still (SIGSTOP, a
 * paused virtual machine) at most one of them passes, so that an endpoint is not judged by time in which this
 * process did not run.
 */
const timeoutParts = 5

/** A probe under way. Only the first passed() or failed() counts. */
export interface Underway {
  /** Says what is awaited from now on, for the message of a timeout: `in the handshake`. */
  now(awaited: string): void
  /**
   * `what` is what the endpoint did, in the past tense: `connected`. The time is added. `spoke`: it sent
   * something.
   */
  passed(what: string, spoke: boolean): void
  failed(error: unknown): void
}

/**
 * Runs a probe of one `kind` to its verdict. `begin` starts it and returns what releases everything it holds;
 * that is called once, with the first verdict, be it the probe's own, the timeout or the abort. Never
 * rejects.
 */
export function oneVerdict(
  kind: string,
  limits: ProbeLimits,
  begin: (probe: Underway) => () => void,
): Promise<Verdict> {
  return new Promise((resolve) => {
    const startedMs = performance.now()
    let awaited = ''
    let wanted = true
    let timer: NodeJS.Timeout | undefined
    let release = () => {}
    const settle = (verdict: Verdict) => {
      if (!wanted) return
      wanted = false
      clearTimeout(timer)
      limits.signal.removeEventListener('abort', abort)
      release()
      resolve(verdict)
    }
    const abort = () => settle({ ok: false, reason: `${kind}: stopped`, fault: 'local' })
    const expire = () => {
      const reason = `${kind}: timeout after ${durationText(limits.timeoutMs)} ${awaited}`.trimEnd()
      settle({ ok: false, reason, fault: 'endpoint' })
    }
    // Timers run before sockets in a turn of the loop: an answer that came while the thread was busy is still
    // in time.
    const wait = (parts: number) => {
      if (!wanted) return
      if (parts === 0) expire()
      else timer = setTimeout(() => setImmediate(() => wait(parts - 1)), limits.timeoutMs / timeoutParts)
    }
    wait(timeoutParts)
    limits.signal.addEventListener('abort', abort)
    const probe: Underway = {
      now(next) {
        awaited = next
      },
      passed(what, spoke) {
        const ms = performance.now() - startedMs
        settle({ ok: true, ms, detail: `${kind}: ${what} in ${tookText(ms)}`, spoke })
      },
      failed(error) {
        const fault = isLocal(error) ? 'local' : 'endpoint'
        settle({ ok: false, reason: `${kind}: ${errorText(error)}`, fault })
      },
    }
    release = begin(probe)
    if (!wanted) release()
    if (limits.signal.aborted) abort()
  })
}
