import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { Answer } from './admin/source.ts'
import type { Log } from './core/log.ts'
import { reportVariable } from './core/report-channel.ts'
import type { Status } from './core/status.ts'
import { durationText } from './core/wording.ts'
import type { GiverNews } from './handover/giver.ts'
import type { Left } from './handover/remains.ts'

/** A configuration of 5,000 endpoints is checked in less than two seconds, on a busy machine in ten. */
const checkMs = 30_000
/** From its start to its call: Node, the configuration, koffi. */
const callMs = 60_000
/** One that was refused drains what it has, or ends at once. */
const goneMs = 2_000
/** Of what a process says before it ends badly; a configuration may have hundreds of problems. */
const mostWords = 64 * 1024

/** Of stdio, below. */
const reportFd = 3

export interface UpgradeOptions {
  /** The command line of the next process: from our own, never from a request. */
  readonly start: readonly string[]
  /** The command line that checks the configuration by the installed version; null: there is no file. */
  readonly check: readonly string[] | null
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly left: () => Left
  /** The process of this pid has taken our place for good. */
  readonly followed: (pid: number) => void
}

/** Lines of JSON: `{"progress":"…"}`, and at the end an Answer. */
type Telling = AsyncIterable<string>

/**
 * Starts the installed version of the program as a child, which takes over as any other process would, and
 * tells how that goes. Whoever asked may go away: it goes on. A newcomer that fails changes nothing.
 */
export class Upgrade {
  readonly #options: UpgradeOptions
  #newcomer: Newcomer | null = null
  #busy = false

  constructor(options: UpgradeOptions) {
    this.#options = options
  }

  /** One at a time. `name`: as SuccessionOptions has it. */
  begin(name: string | null, state: Status['state']): Telling | Answer {
    const obstacle = this.#obstacle(name, state)
    if (obstacle !== null) return { ok: false, message: `no upgrade: ${obstacle}` }
    this.#busy = true
    const lines = new Lines()
    const progress = (text: string): void => {
      this.#options.log.info({}, `upgrade: ${text}`)
      lines.push({ progress: text })
    }
    void this.#run(progress)
      .catch((error: unknown): Answer => ({ ok: false, message: String(error) }))
      .then((answer) => {
        this.#busy = false
        const { log } = this.#options
        if (answer.ok) log.info({}, `upgrade: ${answer.message}`)
        else log.error({}, `upgrade failed: ${answer.message}`)
        lines.push(answer)
        lines.end()
      })
    return lines
  }

  #obstacle(name: string | null, state: Status['state']): string | null {
    const { env, start } = this.#options
    // The first process of a container takes the others with it, and a Pod's next version is the next Pod.
    if (process.pid === 1 || env.KUBERNETES_SERVICE_HOST !== undefined)
      return 'in a container the next version comes with the next container'
    if (name === null)
      return 'handover.socket is off: set it, for example to "@spliceway", and restart the program once'
    if (state !== 'serving') return `the process is ${state}`
    return this.#busy ? `another one is under way (${start[0]})` : null
  }

  /** What the hand-over says, to whomever. */
  hear(news: GiverNews): void {
    this.#newcomer?.hear(news)
  }

  async #run(progress: (text: string) => void): Promise<Answer> {
    const { check, start, env, left, followed } = this.#options
    if (check !== null) {
      const wrong = await checked(check, env)
      if (wrong !== null) return { ok: false, message: `this process serves on: ${wrong}` }
      progress('the installed version takes the configuration')
    }
    const newcomer = new Newcomer(start, env, progress)
    this.#newcomer = newcomer
    const end = await newcomer.end
    this.#newcomer = null
    if (end.kind === 'failed') return { ok: false, message: `this process serves on: ${end.why}` }
    followed(end.pid)
    const { connections, endsInMs } = left()
    const rest =
      connections === 0
        ? 'nothing is left in this one'
        : `connections still in this one, pid ${process.pid}: ${connections}` +
          (endsInMs === null
            ? ''
            : `; it ends when they have ended or moved, within ${durationText(Math.ceil(endsInMs / 1_000) * 1_000)}`)
    return { ok: true, message: `pid ${end.pid} serves, version ${end.program}; ${rest}` }
  }
}

type End =
  | { readonly kind: 'followed'; readonly pid: number; readonly program: string }
  | { readonly kind: 'failed'; readonly why: string }

/** The process that is to take our place, as long as that is undecided. */
class Newcomer {
  readonly end: Promise<End>
  readonly #child: ChildProcess
  readonly #progress: (text: string) => void
  readonly #decide: (end: End) => void
  readonly #words: () => string
  /** Fires when it has not done in time what comes next. */
  #timer: NodeJS.Timeout
  /** Why the hand-over failed: what the child says when it ends is the consequence. */
  #reason: string | null = null

  constructor(
    [command = '', ...args]: readonly string[],
    env: UpgradeOptions['env'],
    progress: (text: string) => void,
  ) {
    const { promise, resolve } = Promise.withResolvers<End>()
    this.end = promise
    this.#progress = progress
    this.#decide = (end) => {
      clearTimeout(this.#timer)
      resolve(end)
    }
    // Its log goes where ours goes, and stays there when we are gone: a pipe of ours would end with us.
    const child = spawn(command, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
      env: { ...childEnvironment(env), [reportVariable]: `${process.pid}:${reportFd}` },
    })
    child.unref()
    this.#child = child
    this.#words = wordsOf([child.stdio[reportFd] as Readable | null | undefined])
    this.#timer = setTimeout(() => {
      this.#reason = `it has not asked for the listening sockets within ${durationText(callMs)}`
      child.kill('SIGKILL')
    }, callMs)
    child.once('spawn', () => progress(`started: pid ${child.pid}`))
    child.once('error', (error) => this.#fail(`it cannot be started: ${error.message}`))
    // Not `exit`: what it said may still be on its way.
    child.once('close', (code, signal) => this.#fail(`it ended with ${signal ?? `exit code ${code}`}`))
  }

  hear(news: GiverNews): void {
    if (news.pid !== this.#child.pid) return
    clearTimeout(this.#timer)
    switch (news.kind) {
      case 'offered':
        this.#progress(`version ${news.program} has the listening sockets, and begins`)
        return
      case 'yielded':
        this.#progress('it accepts; this process serves again if it fails in its first seconds')
        return
      case 'kept':
        this.#reason = news.reason
        this.#timer = setTimeout(() => this.#fail('it is still there'), goneMs)
        return
      case 'left':
        this.#decide({ kind: 'followed', pid: news.pid, program: news.program })
        return
    }
  }

  #fail(end: string): void {
    const { pid } = this.#child
    const who = pid === undefined ? 'the new one' : `the new one, pid ${pid},`
    const words = this.#words().trim()
    // What it says itself is the cause; that it has gone is then all that the hand-over knows.
    const more = words === '' ? (this.#reason === null ? '' : ` (${this.#reason})`) : `\n${words}\n`
    this.#decide({ kind: 'failed', why: `${who} has not taken over: ${end}${more}` })
  }
}

/** null: the installed version takes the configuration; otherwise what it says. */
async function checked(
  [command = '', ...args]: readonly string[],
  env: UpgradeOptions['env'],
): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: childEnvironment(env) })
  const words = wordsOf([child.stdout, child.stderr])
  const timer = setTimeout(() => child.kill('SIGKILL'), checkMs)
  child.once('error', (error) => resolve(`the installed version cannot be started: ${error.message}`))
  child.once('close', (code, signal) => {
    const how = signal ?? `exit code ${code}`
    resolve(
      code === 0
        ? null
        : `the installed version does not take the configuration (${how}):\n${words().trim()}\n`,
    )
  })
  const wrong = await promise
  clearTimeout(timer)
  return wrong
}

/** The beginning of what comes; a stream that ends in an error has ended. */
function wordsOf(streams: readonly (Readable | null | undefined)[]): () => string {
  let text = ''
  for (const stream of streams) {
    stream?.setEncoding('utf8').on('error', () => {})
    stream?.on('data', (more: string) => {
      text = (text + more).slice(0, mostWords)
    })
  }
  return () => text
}

/**
 * Without what is meant for this process alone: descriptors of socket activation, which it gets by the
 * hand-over; whose messages the watchdog counts, since the new one's count as well; how this one was started.
 */
function childEnvironment(env: UpgradeOptions['env']): NodeJS.ProcessEnv {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES, WATCHDOG_PID, ...rest } = env
  return rest
}

/** What is told line by line, for one who listens. */
class Lines implements AsyncIterable<string> {
  readonly #lines: string[] = []
  #ended = false
  #wake: () => void = () => {}

  push(value: object): void {
    this.#lines.push(`${JSON.stringify(value)}\n`)
    this.#wake()
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<string> {
    for (;;) {
      const line = this.#lines.shift()
      if (line !== undefined) yield line
      else if (this.#ended) return
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}
