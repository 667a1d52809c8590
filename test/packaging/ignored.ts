import { posix } from 'node:path'

/** What a .dockerignore leaves of a list of paths: the last rule that matches a path or a folder above it decides. */
export function keptBy(dockerignore: string, paths: readonly string[]): readonly string[] {
  const rules = dockerignore
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ keep: line.startsWith('!'), pattern: line.replace(/^!/, '').replace(/\/$/, '') }))
  return paths.filter((path) => {
    let kept = true
    for (const { keep, pattern } of rules) if (matches(path, pattern)) kept = keep
    return kept
  })
}

const wildcards = new Map([
  ['**/', '(?:.*/)?'],
  ['**', '.*'],
  ['*', '[^/]*'],
  ['?', '[^/]'],
])

/** Go's filepath.Match and `**`; unlike in a shell, `*` takes a leading dot too. */
function matches(path: string, pattern: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*\/|\*\*|\*|\?/g, (word) => wildcards.get(word) ?? word)
  const wanted = new RegExp(`^${expression}$`)
  for (let part = path; part !== '.'; part = posix.dirname(part)) if (wanted.test(part)) return true
  return false
}
