import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

/** Nothing in a test should wait longer for a line or an exit than this. */
const patienceMs = 30_000
const pollMs = 10

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Of this process: they are 3, 4, … in the program. Only start() passes them. */
  readonly descriptors?: readonly number[]
}

/** How a program ended. */
export interface Exit {
  /** null: by a signal. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** What a command that ends by itself said. */
export interface Said extends Exit {
  readonly out: string
  readonly err: string
}

/**
 * A running program that was started by a test, in a process group of its own; whoever starts it calls kill()
 * or waits for `exit`.
 */
export class Program {
  readonly pid: number
  /** Lines of standard output and standard error, in the order of their arrival. */
  readonly lines: string[] = []
  /** When it has ended and all it said is here. */
  readonly exit: Promise<Exit>
  readonly #name: string
  readonly #waiting = new Set<() => void>()
  #exited = false

  private constructor(name: string, child: ChildProcess, pid: number) {
    this.#name = name
    this.pid = pid
    for (const stream of [child.stdout, child.stderr]) if (stream !== null) this.#read(stream)
    this.exit = once(child, 'close').then(([code, signal]) => {
      this.#exited = true
      this.#wake()
      return { code, signal }
    })
  }

  /** Rejects when there is no such program. Ends with this process, whatever ends that. */
  static async start(argv: readonly string[], options: ProgramOptions = {}): Promise<Program> {
    const [command = '', ...args] = argv
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe', ...(options.descriptors ?? [])],
      detached: true, // a process group: what it forks can be ended with it
      env: { ...process.env, ...options.env },
    })
    await once(child, 'spawn')
    if (child.pid === undefined) throw new Error(`${command} was started without a pid`)
    const program = new Program(argv.join(' '), child, child.pid)
    const last = (): void => program.signal('SIGKILL')
    process.once('exit', last)
    void program.exit.then(() => process.off('exit', last))
    return program
  }

  /**
   * The first line that matches, past (not before line `from`) or future. Rejects when the program ends or
   * takes too long.
   */
  async line(pattern: RegExp, from = 0, waitMs = patienceMs): Promise<string> {
    const deadline = performance.now() + waitMs
    for (let at = from; ; at++) {
      while (at >= this.lines.length) {
        if (this.#exited || performance.now() > deadline) throw this.#missed(pattern, from)
        await this.#news(deadline - performance.now())
      }
      const line = this.lines[at] ?? ''
      if (pattern.test(line)) return line
    }
  }

  /** To it and to all that it forked; does nothing when they are gone. */
  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
    }
  }

  /** To it alone, as `kill PID` does. */
  tell(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal)
  }

  /**
   * SIGKILL to it and all that it forked; resolves when the last of them is gone and holds no socket any
   * more.
   */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.exit
    while (running(this.pid)) await new Promise((resolve) => setTimeout(resolve, pollMs))
  }

  #read(stream: NodeJS.ReadableStream): void {
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      this.lines.push(...parts)
      if (parts.length > 0) this.#wake()
    })
    stream.on('end', () => {
      if (rest !== '') this.lines.push(rest)
    })
  }

  #news(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const come = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(come)
        resolve()
      }
      const timer = setTimeout(come, ms)
      this.#waiting.add(come)
    })
  }

  #wake(): void {
    for (const come of this.#waiting) come()
  }

  #missed(pattern: RegExp, from: number): Error {
    const said = this.lines.slice(Math.max(from, this.lines.length - 10)).join('\n')
    const state = this.#exited ? 'ended' : 'runs on'
    return new Error(`waited for ${pattern} from "${this.#name}", which ${state}; its last lines:\n${said}`)
  }
}

/** Runs a command to its end; SIGKILL and a rejection when it takes longer than 45 s, before AVA loses its patience. */
export async function run(argv: readonly string[], options: ProgramOptions = {}): Promise<Said> {
  const [command = '', ...args] = argv
  const env = { ...process.env, ...options.env }
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
    killSignal: 'SIGKILL',
    timeout: 1.5 * patienceMs,
  })
  const said = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text
  })
  const [code, signal] = await once(child, 'close')
  if (signal === 'SIGKILL')
    throw new Error(`"${argv.join(' ')}" did not end; it said:\n${said.out}${said.err}`)
  return { ...said, code, signal }
}

/**
 * Whether a process of the group lives. A zombie does not: it has closed its sockets, and maybe nobody
 * collects it.
 */
function running(group: number): boolean {
  return readdirSync('/proc').some((entry) => {
    if (!/^\d+$/.test(entry)) return false
    try {
      // proc(5): pid (comm) state ppid pgrp ...; comm may hold spaces and parentheses
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1')
      const [state = '', , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return Number(pgrp) === group && !'ZX'.includes(state)
    } catch {
      return false // it has just gone
    }
  })
}
