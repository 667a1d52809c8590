import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Outcome } from '../../src/core/outcome.ts'
import type { Status } from '../../src/core/status.ts'
import type { NetworkNamespace } from '../helpers/netns.ts'
import { Program, run, type Said } from '../helpers/program.ts'

/** The program's first file, as a user starts it. */
export const cli = fileURLToPath(new URL('../../src/cli.mjs', import.meta.url))

/** The program as a child process, and what an operator does with it. */
export class Spliceway {
  readonly program: Program
  readonly #namespace: NetworkNamespace
  readonly #env: Readonly<Record<string, string>>

  private constructor(namespace: NetworkNamespace, program: Program, env: Readonly<Record<string, string>>) {
    this.#namespace = namespace
    this.program = program
    this.#env = env
  }

  /** Its admin socket is beside `file`. Whoever calls it ends the program. */
  static async start(
    namespace: NetworkNamespace,
    file: string,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Spliceway> {
    const env = { RUNTIME_DIRECTORY: join(dirname(file), 'run'), ...more }
    const argv = namespace.command(process.execPath, cli, 'run', '-c', file)
    return new Spliceway(namespace, await Program.start(argv, { env }), env)
  }

  /** Resolves when it listens and can be asked. */
  async serving(): Promise<void> {
    await this.log(/"msg":"admin page open"/)
  }

  /** How far the log has come; where to look from when only news counts. */
  get mark(): number {
    return this.program.lines.length
  }

  /** The first line of its log that matches, past (not before `from`) or future: its message. */
  async log(pattern: RegExp, from = 0): Promise<string> {
    const line = await this.program.line(pattern, from)
    const record: { msg: string } = JSON.parse(line)
    return record.msg
  }

  /** The first `count` lines of the access log, of those that match, once they are there. */
  async told(count: number, pattern = /"msg":"connection"/): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    for (let at = 0; outcomes.length < count; at++) {
      const line = await this.program.line(pattern, at)
      at = this.program.lines.indexOf(line, at)
      outcomes.push(JSON.parse(line))
    }
    return outcomes
  }

  /** `spliceway COMMAND ...` in another terminal. */
  command(...args: readonly string[]): Promise<Said> {
    return run(this.#namespace.command(process.execPath, cli, ...args), { env: this.#env })
  }

  /** What `spliceway status --json` shows. */
  async status(): Promise<Status> {
    const said = await this.command('status', '--json')
    return JSON.parse(said.out)
  }

  /** GET on the admin page, by curl on the edge itself. */
  async page(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const curl = ['curl', '--silent', '--show-error', '--write-out', '\n%{http_code}'] as const
    const { out } = await run(this.#namespace.command(...curl, `http://127.0.0.1:9981${path}`))
    const end = out.lastIndexOf('\n')
    return { status: Number(out.slice(end + 1)), body: out.slice(0, end) }
  }

  /** Samples of the metrics page by series, `name{label="value"}`. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    // Over the UNIX socket, where a page is made anew for each that asks.
    const socket = join(this.#env.RUNTIME_DIRECTORY ?? '', 'spliceway.sock')
    const curl = ['curl', '--silent', '--show-error', '--unix-socket', socket] as const
    const { out: body } = await run(this.#namespace.command(...curl, 'http://localhost/metrics'))
    const samples = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(
      samples.map((line) => [
        line.slice(0, line.lastIndexOf(' ')),
        Number(line.slice(line.lastIndexOf(' ') + 1)),
      ]),
    )
  }
}
