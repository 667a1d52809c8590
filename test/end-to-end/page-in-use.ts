import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { NetworkNamespace } from '../helpers/netns.ts'
import { Program, run } from '../helpers/program.ts'
import { checkout } from '../packaging/image.ts'
import { build } from '../packaging/kustomize.ts'

/** A fenced block, or what a comment `<!-- test: WORDS -->` asks for. */
type Part =
  | { readonly kind: 'block'; readonly language: string; readonly text: string }
  | { readonly kind: 'event'; readonly words: string }

export interface Place {
  readonly node: NetworkNamespace
  readonly client: NetworkNamespace
  /** Where the commands run, and files of the page are written. */
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  /** Does what a comment asks for. */
  event(words: string): Promise<void>
  /** What a word of the page is here: a pid, for one. */
  translate(text: string, running: Program | null): string
}

/** Commands that stay until the next of them, or the end of the page. */
const staying = /^(spliceway run|npm start$|npm start --silent -- (run|forward))/
const started = /"msg":"admin page open"|Ctrl-C ends the demo/

export function partsOf(page: string): readonly Part[] {
  const found = page.matchAll(/^```(\w*)\n([\s\S]*?)^```$|^<!-- test: (.*) -->$/gm)
  return [...found].map(([, language = '', text = '', words]) =>
    words === undefined ? { kind: 'block', language, text } : { kind: 'event', words },
  )
}

/**
 * Does what a page says, word for word and in its order. A `yaml` block whose first line is a file's name is written there. A
 * `sh` block runs on the node, one that begins with the comment `# 클라이언트에서` at the client; the block without a language
 * that follows directly is what it prints: `…` is any text within a line, a line of `…` any lines. `kubectl apply -k` builds
 * what it would apply. Resolves to the number of commands that ran.
 */
export async function usePage(t: ExecutionContext, page: string, place: Place): Promise<number> {
  let running: Program | null = null
  let said: string | null = null
  let commands = 0
  const end = async (): Promise<void> => {
    await running?.kill()
    running = null
  }
  t.teardown(end)
  for (const part of partsOf(readFileSync(join(checkout, page), 'utf8'))) {
    if (part.kind === 'event') {
      await place.event(part.words)
      continue
    }
    const text = place.translate(part.text, running)
    const before = said
    said = null
    if (part.language === 'yaml') {
      const [, name] = /^# (\S+)\n/.exec(text) ?? []
      if (name !== undefined) writeFileSync(join(place.folder, name), text)
    } else if (part.language === 'sh') {
      commands++
      const [, overlay] = /^kubectl apply -k (\S+)\n$/.exec(text) ?? []
      if (overlay !== undefined) {
        t.true(build(join(checkout, overlay)).length > 0)
        continue
      }
      const where = text.startsWith('# 클라이언트에서\n') ? place.client : place.node
      const argv = where.command('bash', '-c', `cd "$0" && ${text.trim()}`, place.folder)
      if (staying.test(text.trim())) {
        await end()
        running = await Program.start(argv, { env: place.env })
        await running.line(started)
      } else {
        const shell = where.command('bash', '-c', `exec 2>&1; cd "$0" || exit\n${text}`, place.folder)
        const { code, out } = await run(shell, { env: place.env })
        t.is(code, 0, `${page}: ${text}${out}`)
        // Of a command that says nothing the block after it is what the running program logs.
        said = out === '' ? null : out
      }
    } else if (before !== null) {
      t.regex(before, patternOf(text), `${page}: what it prints`)
    } else if (running !== null) {
      await running.line(patternOf(text))
    }
  }
  return commands
}

/** Runs of spaces are one: columns of a table are as wide as what stands in them. */
function patternOf(text: string): RegExp {
  const lines = text.trimEnd().split('\n')
  const patterns = lines.map((line) =>
    line === '…'
      ? '(?:.*\\n)*?'
      : `${line
          .split('…')
          .map((words) => RegExp.escape(words.replaceAll(/ +/g, ' ')).replaceAll('\\x20', ' +'))
          .join('.*')}\\n?`,
  )
  return new RegExp(`^${patterns.join('')}$`)
}
