import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { patienceMs } from './forwarder.ts'

/** Runs argv[3:] on a pseudoterminal of argv[1] columns and argv[2] rows; what it is sent is typed. */
const onPty = `
import fcntl, os, pty, select, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    size = struct.pack('HHHH', int(sys.argv[2]), int(sys.argv[1]), 0, 0)
    fcntl.ioctl(0, termios.TIOCSWINSZ, size)
    os.execvp(sys.argv[3], sys.argv[3:])
sources = [fd, 0]
while fd in sources:
    for ready in select.select(sources, [], [])[0]:
        try:
            data = os.read(ready, 65536)
        except OSError:
            data = b''
        if not data: sources.remove(ready)
        elif ready == fd: os.write(1, data)
        else: os.write(fd, data)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`

/** A program with a person's terminal, by python3's pty. Whoever starts it calls end(). */
export class Terminal {
  /** Everything that it has got so far. */
  text = ''
  readonly #child: ChildProcessWithoutNullStreams
  readonly #exit: Promise<number | null>

  constructor(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const args = ['-c', onPty, '80', '24', ...argv]
    this.#child = spawn('python3', args, { env: { ...process.env, TERM: 'xterm', ...env } })
    this.#child.stdin.on('error', () => {}) // it may have ended
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.text += text
    })
    this.#exit = once(this.#child, 'close').then(([code]) => code)
  }

  type(keys: string): void {
    this.#child.stdin.write(keys)
  }

  /** Resolves when what came since `from` matches. */
  async shows(pattern: RegExp, from = 0): Promise<void> {
    const signal = AbortSignal.timeout(patienceMs)
    while (!pattern.test(this.text.slice(from))) {
      await once(this.#child.stdout, 'data', { signal }).catch(() => {
        throw new Error(`waited for ${pattern}; the terminal shows:\n${JSON.stringify(this.text)}`)
      })
    }
  }

  /** Resolves to the exit code. */
  get exit(): Promise<number | null> {
    return this.#exit
  }

  /** Closes the terminal: what runs on it gets SIGHUP. */
  async end(): Promise<void> {
    this.#child.kill()
    await this.#exit
  }
}
