import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Peer, Place } from './peer.ts'

/** From exec to listening: a tenth of a second, or ten on a machine that has far more to do. */
const patienceMs = 60_000
/** TCP_LISTEN in /proc/net/tcp. */
const listen = '0A'
/** Enough to say why it did not start. */
const keptCharacters = 2_000

/** A peer's processes. Whoever started it kills it. */
export class Running {
  readonly port: number
  readonly #peer: Peer
  readonly #child: ChildProcess
  #place: Place
  #said = ''

  /** Starts it; it does not listen yet. */
  constructor(peer: Peer, place: Place) {
    this.#peer = peer
    this.#place = place
    this.port = place.port
    const { command } = this.#write()
    const [program = '', ...args] = command
    // A group of its own: some have workers, or a process a connection, which outlive a parent that is killed.
    this.#child = spawn(program, args, { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child.on('error', (error) => {
      this.#said = error.message
    })
    this.#child.stderr?.setEncoding('utf8')
    this.#child.stderr?.on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-keptCharacters)
    })
  }

  /** Resolves when it listens. No connection is made. Throws what it said when it ends before. */
  async listening(): Promise<void> {
    const deadlineMs = performance.now() + patienceMs
    while (!listens(this.port)) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined) {
        await sleep(20) // what it said may still be under way
        throw new Error(`${this.#peer.name} did not start: ${this.#said.trim()}`)
      }
      if (performance.now() > deadlineMs) {
        throw new Error(`${this.#peer.name} does not listen on port ${this.port}`)
      }
      await sleep(5)
    }
  }

  /** False: it cannot reload. */
  reload(): boolean {
    this.#place = { ...this.#place, revision: this.#place.revision + 1 }
    return this.#tell(this.#write().reload)
  }

  /** Gracefully. False: it cannot. */
  stop(): boolean {
    return this.#tell(this.#peer.setup(this.#place).stop)
  }

  /** All of its processes, at once. Resolves when the one that was started is gone. */
  async kill(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child
    if (pid === undefined) return
    const gone = exitCode === null && signalCode === null ? once(this.#child, 'exit') : null
    this.killAtOnce()
    await gone
  }

  /** The same without waiting, for the end of our own process. */
  killAtOnce(): void {
    if (this.#child.pid === undefined) return
    try {
      process.kill(-this.#child.pid, 'SIGKILL')
    } catch {
      // ESRCH: all of the group are gone.
    }
  }

  #write(): ReturnType<Peer['setup']> {
    const setup = this.#peer.setup(this.#place)
    for (const [name, text] of Object.entries(setup.files))
      writeFileSync(join(this.#place.folder, name), text)
    return setup
  }

  #tell(signal: NodeJS.Signals | null): boolean {
    return signal !== null && this.#child.kill(signal)
  }
}

function listens(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const row = new RegExp(`:${hex} [0-9A-F]+:0000 ${listen} `)
  return ['/proc/net/tcp', '/proc/net/tcp6'].some(
    (file) => existsSync(file) && row.test(readFileSync(file, 'utf8')),
  )
}
