import { readFileSync } from 'node:fs'
import test from 'ava'
import { parseConfig } from '../../src/config/parse.ts'
import { renderProblem } from '../../src/config/problem.ts'

const secret = 'hunter2'
const sections = readFileSync(new URL('broken.md', import.meta.url), 'utf8')
  .split(/^## /m)
  .slice(1)

for (const section of sections) {
  const match = /^(.*)\n\n```yaml\n([\s\S]*?)```\n\n```text\n([\s\S]*?)\n```\s*$/.exec(section)
  if (match === null) throw new Error(`broken.md: this is no title, yaml block and text block:\n${section}`)
  const [, title = '', text = '', expected = ''] = match

  test(`what is said about ${title}`, (t) => {
    const parsed = parseConfig(text, { file: 'edge.yaml', env: { SECRET: secret } })
    if (parsed.kind === 'ok') return t.fail('it was accepted')
    t.is(parsed.problems.map((problem) => renderProblem(problem)).join('\n\n'), expected)
    t.false(JSON.stringify(parsed).includes(secret))
  })
}

test('the table is read as a whole', (t) => {
  t.true(sections.length >= 100)
})

test('more than 256 listeners are refused at the first one too many', (t) => {
  const lines = Array.from({ length: 257 }, (_, i) => `  ${1000 + i}: 10.0.0.5:9080`)
  const parsed = parseConfig(`forward:\n${lines.join('\n')}\n`, { file: 'edge.yaml', env: {} })
  t.deepEqual(parsed.kind === 'invalid' && parsed.problems.map(({ message, line }) => ({ message, line })), [
    { message: 'there are more than 256 listeners', line: 258 },
  ])
})

test('more than 4096 endpoints are refused at the first one too many', (t) => {
  const lines = Array.from({ length: 4097 }, (_, i) => `    - 10.0.0.5:${1000 + i}`)
  const text = `forward:\n  80:\n${lines.join('\n')}\n`
  const parsed = parseConfig(text, { file: 'edge.yaml', env: {} })
  t.deepEqual(parsed.kind === 'invalid' && parsed.problems.map(({ message, line }) => ({ message, line })), [
    { message: 'there are more than 4096 endpoints', line: 4099 },
  ])
})

test('aliases that multiply without end are refused', (t) => {
  const lines = ['a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]']
  for (let i = 1; i < 9; i++)
    lines.push(
      `a${i}: &a${i} [${Array(9)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    )
  const parsed = parseConfig(lines.join('\n'), { file: 'edge.yaml', env: {} })
  t.true(parsed.kind === 'invalid' && parsed.problems.some(({ message }) => message.includes('too large')))
})

test('a file larger than 4 MiB is refused', (t) => {
  const parsed = parseConfig('#'.repeat(4 * 1024 * 1024 + 1), { file: 'edge.yaml', env: {} })
  t.is(parsed.kind === 'invalid' && parsed.problems[0]?.message, 'the file is larger than 4 MiB')
})
