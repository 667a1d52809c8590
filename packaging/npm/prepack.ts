/**
 * What `npm pack` puts into the package beside files of the checkout: JavaScript and what shells complete, in dist/, and
 * npm-shrinkwrap.json.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { completionOf } from '../../src/command/completion.ts'
import { shrinkwrapOf } from './shrinkwrap.ts'

/** By the names under which shells look for them. */
const completions = { bash: 'spliceway', zsh: '_spliceway', fish: 'spliceway.fish' } as const

const root = join(import.meta.dirname, '../..')

rmSync(join(root, 'dist'), { recursive: true, force: true })
execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.package.json'], {
  cwd: root,
  stdio: 'inherit',
})
for (const [shell, name] of Object.entries(completions)) {
  const completion = completionOf(shell)
  if (completion.kind === 'unknown') throw new Error(completion.message)
  const folder = join(root, 'dist/completion', shell)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), completion.text)
}
const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
writeFileSync(join(root, 'npm-shrinkwrap.json'), shrinkwrapOf(lock))
