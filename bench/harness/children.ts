import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { pinned } from './pins.ts'
import { asUser } from './user.ts'

/** What a child of ours is asked, and what it answers: flat records, so that both sides can check them. */
export type Question = Readonly<Record<string, string | number>>
export type Answer = Readonly<Record<string, string | number>>

export interface ChildOptions {
  readonly core: number | null
  /** A network namespace of ip-netns(8); null or nothing: ours. */
  readonly namespace?: string | null
  /** null or nothing: we. */
  readonly uid?: number | null
  readonly env?: NodeJS.ProcessEnv
  /** Told of what the child prints; nobody: it is dropped. */
  readonly printed?: (text: string) => void
}

/** A child that answers nothing for so long is taken for dead: the longest question takes about 20 s. */
const patienceMs = 60_000
/** From SIGTERM to SIGKILL. */
const graceMs = 1_000

/** A process of the benchmark. Children made it and ends it. */
export class Child {
  readonly pid: number
  readonly #process: ChildProcess
  readonly #name: string

  constructor(process: ChildProcess, name: string) {
    if (process.pid === undefined)
      throw new Error(`${name} did not start: is ${process.spawnfile} installed?`)
    this.pid = process.pid
    this.#process = process
    this.#name = name
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Sends a question and resolves to the next message. Rejects when the child ends or says `error`. */
  async ask(question: Question): Promise<Answer> {
    this.#process.send(question)
    return this.heard()
  }

  /** The next message of a script of ours. */
  heard(): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const heard = (message: unknown): void => {
      const answer = checked(message)
      if (typeof answer.error === 'string') reject(new Error(`${this.#name}: ${answer.error}`))
      else resolve(answer)
    }
    const ended = (code: number | null, signal: string | null): void =>
      reject(new Error(`${this.#name} ended (${signal ?? `exit code ${code}`}) while it was needed`))
    const timer = setTimeout(
      () => reject(new Error(`${this.#name} gave no answer for ${patienceMs} ms`)),
      patienceMs,
    )
    this.#process.once('message', heard)
    this.#process.once('exit', ended)
    return promise.finally(() => {
      clearTimeout(timer)
      this.#process.off('message', heard)
      this.#process.off('exit', ended)
    })
  }

  /** Resolves when it is gone, by itself or not. */
  async ended(): Promise<void> {
    if (this.running) await once(this.#process, 'exit')
  }

  /** Resolves when it is gone, and everything that it printed has been told. */
  async closed(): Promise<void> {
    const { stdout } = this.#process
    const gone = this.ended()
    if (stdout !== null && !stdout.closed) await once(stdout, 'close')
    await gone
  }

  /** Asks it to go, and takes it down when it does not. Resolves when it is gone. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.running) return
    const gone = this.ended()
    this.#process.kill(signal)
    const timer = setTimeout(() => this.kill(), graceMs)
    await gone
    clearTimeout(timer)
  }

  /** At once, for the end of our own process. */
  kill(): void {
    if (this.running) this.#process.kill('SIGKILL')
  }
}

/** Every process that a benchmark starts, so that all of them can be ended, however it ends. */
export class Children {
  readonly #all = new Set<Child>()

  /** Starts any program. Its standard error is ours. */
  start(command: string, args: readonly string[], options: ChildOptions): Child {
    const { core, namespace = null, uid = null, env = process.env, printed } = options
    const whole = pinned(core, ...within(namespace, ...asUser(uid, command, args)))
    const ipc = command === process.execPath
    const child = spawn(whole.command, whole.args, {
      env,
      stdio: ['ignore', 'pipe', 'inherit', ipc ? 'ipc' : 'ignore'],
    })
    child.on('error', () => {}) // a command that does not exist: the constructor below says so
    child.stdout?.setEncoding('utf8')
    child.stdout?.on('data', (text: string) => printed?.(text))
    const started = new Child(child, [command, ...args].map((part) => part.split('/').at(-1)).join(' '))
    this.#all.add(started)
    child.once('exit', () => this.#all.delete(started))
    return started
  }

  /** Starts a script of this folder with Node; resolves to its first message, usually its port. */
  async script(
    url: URL,
    args: readonly string[],
    options: ChildOptions,
  ): Promise<{ readonly child: Child; readonly ready: Answer }> {
    const child = this.start(process.execPath, [url.pathname, ...args], options)
    return { child, ready: await child.heard() }
  }

  async end(): Promise<void> {
    await Promise.all([...this.#all].map((child) => child.end()))
  }

  kill(): void {
    for (const child of this.#all) child.kill()
  }
}

/** ip execs the program, as taskset does: the process id stays. */
function within(
  namespace: string | null,
  command: string,
  args: readonly string[],
): [command: string, args: readonly string[]] {
  return namespace === null ? [command, args] : ['ip', ['netns', 'exec', namespace, command, ...args]]
}

function checked(message: unknown): Answer {
  if (typeof message !== 'object' || message === null)
    throw new TypeError(`not an answer: ${String(message)}`)
  const fields = Object.entries(message).map(([key, value]: [string, unknown]): [string, string | number] => {
    if (typeof value === 'string' || typeof value === 'number') return [key, value]
    throw new TypeError(`an answer's ${key} is neither a number nor a text`)
  })
  return Object.fromEntries(fields)
}
