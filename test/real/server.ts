import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closedPort } from '../helpers/peer.ts'
import { Program } from '../helpers/program.ts'

/** Somebody else may take a free port before the server does. */
const tries = 5
/** From the wish to stop to SIGKILL. */
const graceMs = 10_000

export interface ServerOptions {
  /** Its own, made by newFolder(); removed with it. */
  readonly folder: string
  /** What is run for it to listen on `port`. */
  readonly command: (port: number) => readonly string[]
  /** The line that says it listens. */
  readonly ready: RegExp
  /** With which it ends in order; SIGTERM unless it says otherwise. */
  readonly stop?: NodeJS.Signals
}

/** A server that other people wrote, with a port and a folder of its own. Whoever starts it calls close(). */
export class Server {
  readonly port: number
  readonly folder: string
  readonly program: Program
  readonly #stop: NodeJS.Signals

  private constructor(port: number, program: Program, options: ServerOptions) {
    this.port = port
    this.program = program
    this.folder = options.folder
    this.#stop = options.stop ?? 'SIGTERM'
  }

  /** Resolves when it listens. Rejects with what it said, and leaves nothing, when it does not. */
  static async start(options: ServerOptions): Promise<Server> {
    for (let left = tries; ; left--) {
      const port = await closedPort()
      const program = await Program.start(options.command(port))
      try {
        await program.line(options.ready, 0, 30_000)
        return new Server(port, program, options)
      } catch (error) {
        await program.kill()
        const busy = program.lines.some((line) => /address already in use/i.test(line))
        if (busy && left > 1) continue
        rmSync(options.folder, { recursive: true, force: true })
        throw error
      }
    }
  }

  /** Keeps it from running: the kernel goes on to accept and to receive in its name. */
  freeze(): void {
    this.program.signal('SIGSTOP')
  }

  /** Ends freeze(). */
  thaw(): void {
    this.program.signal('SIGCONT')
  }

  /** Resolves when it and what it forked are gone, with its folder. */
  async close(): Promise<void> {
    this.thaw()
    this.program.signal(this.#stop)
    const timer = setTimeout(() => this.program.signal('SIGKILL'), graceMs)
    await this.program.exit
    clearTimeout(timer)
    await this.program.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** AVA ends a process that hangs without its teardown, and a server may fail before it has one. */
const folders = new Set<string>()
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A temporary folder, which only we may read; gone with this process at the latest. */
export function newFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `spliceway-${name}-`))
  folders.add(folder)
  return folder
}
