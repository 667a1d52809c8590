/** Whoever looks at a file, not at a terminal, wants a line now and then. */
const lineEveryMs = 10_000

/**
 * Says while the benchmark runs which part it is at, which round, and how long the table that is being measured has to
 * go. On a terminal that is one line that is written again and again, elsewhere a line every ten seconds. Never in the
 * results.
 */
export class Progress {
  readonly #parts: number
  readonly #print: (text: string) => void
  readonly #terminal: boolean
  #part = 0
  #name = ''
  #beganMs = 0
  #saidMs = Number.NEGATIVE_INFINITY

  constructor(parts: number, print: (text: string) => void, terminal: boolean) {
    this.#parts = parts
    this.#print = print
    this.#terminal = terminal
  }

  begins(name: string): void {
    this.#part++
    this.#name = name
    this.#saidMs = Number.NEGATIVE_INFINITY
  }

  warming(contenders: number): void {
    this.#say(`warming up ${contenders}`)
  }

  /** `round` counts from 0 and begins now. */
  round(round: number, rounds: number): void {
    const nowMs = performance.now()
    if (round === 0) this.#beganMs = nowMs
    const leftMs = ((nowMs - this.#beganMs) / round) * (rounds - round)
    this.#say(`round ${round + 1} of ${rounds}${round === 0 ? '' : `, ${inWords(leftMs)} to go`}`)
  }

  /** A table is about to be printed: the line makes room for it. */
  measured(): void {
    if (this.#terminal) this.#print('\r\x1b[K')
    this.#saidMs = Number.NEGATIVE_INFINITY
  }

  #say(what: string): void {
    const line = `${this.#name} (part ${this.#part} of ${this.#parts}): ${what}`
    if (this.#terminal) this.#print(`\r\x1b[K${line}`)
    else if (performance.now() - this.#saidMs >= lineEveryMs) {
      this.#saidMs = performance.now()
      this.#print(`${line}\n`)
    }
  }
}

/** `4:05`. */
function inWords(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
