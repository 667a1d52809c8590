import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { parseDocument } from 'yaml'
import { doctor } from '../../src/command/doctor.ts'
import { parseConfig } from '../../src/config/parse.ts'
import type { Code, Severity } from '../../src/doctor/finding.ts'
import { Spliceway } from '../end-to-end/spliceway.ts'
import type { Stage } from '../end-to-end/stage.ts'

/** A finding as `doctor --json` prints it. */
export interface Shown {
  readonly code: Code
  readonly severity: Severity
  readonly what: string
  readonly proof: string
  readonly remedy: {
    readonly advice: string
    readonly commands: readonly string[]
    readonly settings: readonly { readonly key: string; readonly value: string }[]
  }
}

export interface Diagnosis {
  readonly code: number
  readonly findings: readonly Shown[]
  readonly unseen: readonly string[]
}

/** An edge node with a configuration; broken, looked at and mended by a test. */
export class Patient {
  readonly stage: Stage
  readonly file: string
  readonly #runtime: string
  #config: string

  constructor(stage: Stage, config: string) {
    this.stage = stage
    this.#config = config
    this.file = stage.configFile(config)
    this.#runtime = join(this.file, '..', 'run')
    mkdirSync(this.#runtime, { mode: 0o700 })
  }

  /** `spliceway doctor --json` on the edge, by this process, which is root there. */
  async diagnosis(probe = false): Promise<Diagnosis> {
    const parsed = parseConfig(this.#config, { file: this.file, env: {} })
    if (parsed.kind !== 'ok') throw new Error(parsed.problems.map(({ message }) => message).join('\n'))
    let text = ''
    const out = {
      write: (more: string) => {
        text += more
      },
    }
    const file = { name: this.file, config: parsed.config }
    const socket = join(this.#runtime, 'spliceway.sock')
    const back = this.stage.edge.enter()
    try {
      const code = await doctor({ file, socket, json: true, probe, out })
      return { code, ...JSON.parse(text) }
    } finally {
      back()
    }
  }

  /** A line that root types on the edge. npx puts node_modules/.bin first in $PATH, and there is an `nft` of another trade. */
  shell(line: string): string {
    return this.stage.edge.run('env', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'sh', '-ec', line)
  }

  /** What a person does with a proposal: the lines into a shell as root on the edge, the settings into the file. */
  apply({ commands, settings }: Shown['remedy']): void {
    for (const line of commands) this.shell(line)
    const document = parseDocument(this.#config)
    for (const { key, value } of settings) document.setIn(key.split('.'), parseDocument(value).contents)
    this.#config = document.toString()
    writeFileSync(this.file, this.#config)
  }

  /** Starts the program on the edge, for this test. Resolves when it serves. */
  async serve(t: ExecutionContext): Promise<Spliceway> {
    const spliceway = await Spliceway.start(this.stage.edge, this.file, { RUNTIME_DIRECTORY: this.#runtime })
    t.teardown(() => spliceway.program.kill())
    await spliceway.serving()
    return spliceway
  }
}

/** The only finding with this code; fails the test where there is none. */
export function found(t: ExecutionContext, { findings, unseen }: Diagnosis, code: Code): Shown {
  const finding = findings.find((each) => each.code === code)
  if (finding === undefined) {
    const others = findings.map((each) => `${each.code}: ${each.what}`)
    throw new Error(`no ${code} among ${others.join('; ')}; unseen: ${unseen.join('; ')}`)
  }
  t.true(finding.what.length > 20 && finding.proof.length > 3)
  return finding
}
