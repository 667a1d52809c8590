/** An instruction of a Dockerfile: `RUN`, and what follows it on one line, comments and continuations gone. */
export interface Instruction {
  readonly keyword: string
  readonly text: string
}

export interface Stage {
  readonly from: string
  /** `AS name`; null for the last one, usually. */
  readonly name: string | null
  readonly instructions: readonly Instruction[]
}

/** The stages of a Dockerfile. Throws at an instruction before the first FROM, of which this project uses none. */
export function parseDockerfile(text: string): readonly Stage[] {
  const lines = text
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const stages: { from: string; name: string | null; instructions: Instruction[] }[] = []
  for (const line of lines) {
    const [, keyword = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    if (keyword === 'FROM') {
      const [from = '', as, name = null] = rest.split(/\s+/)
      if (as !== undefined && as.toUpperCase() !== 'AS') throw new Error(`not understood: ${line}`)
      stages.push({ from, name, instructions: [] })
      continue
    }
    const stage = stages.at(-1)
    if (stage === undefined || keyword === '') throw new Error(`not understood: ${line}`)
    stage.instructions.push({ keyword, text: rest })
  }
  return stages
}

/** A stage by its name; the last one for null. Throws when there is none. */
export function stageOf(stages: readonly Stage[], name: string | null): Stage {
  const stage = name === null ? stages.at(-1) : stages.find((each) => each.name === name)
  if (stage === undefined) throw new Error(`the Dockerfile has no stage ${name}`)
  return stage
}

/** Sources and target of a COPY or of its flags: `--from=modules /a ./b`. */
export function parseCopy(text: string): {
  readonly from: string | null
  readonly sources: readonly string[]
  readonly target: string
} {
  const words = text.split(/\s+/)
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length) ?? null
  const paths = words.filter((word) => !word.startsWith('--'))
  const target = paths.at(-1)
  if (target === undefined || paths.length < 2) throw new Error(`not understood: COPY ${text}`)
  return { from, sources: paths.slice(0, -1), target }
}

/** An exec-form instruction's words; null for the shell form. */
export function execForm(text: string): readonly string[] | null {
  if (!text.startsWith('[')) return null
  const words: unknown = JSON.parse(text)
  return Array.isArray(words) ? words.map(String) : null
}
