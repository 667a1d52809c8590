// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration
import test from 'ava'
import { parseConfig } from '../../src/config/parse.ts'
import { renderProblem } from '../../src/config/problem.ts'

const maxBytes = 4 * 1024 * 1024
/** What the parser takes at most of things that begin something. */
const marks = 89_000
const lines = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n')
const fill = (unit: string, bytes = maxBytes): string => unit.repeat(Math.floor(bytes / unit.length))

/** Each found to be slow, or a way in which YAML can be: as much as the file may have, and as many parts. */
const shapes: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      '- a\n',
      '[',
      '{',
      '- ',
      ': ',
      '? ',
      '#\n',
      '\t\n',
      '---\n',
      'a: b: c\n',
      '- !x a\n',
      'word ',
      '"',
      '\0',
      '${X}',
    ].map((unit) => [`4 MiB of ${JSON.stringify(unit)}`, fill(unit)]),
  ),
  ...Object.fromEntries(
    ['- a\n', '[', '- ', '"', 'a: b: c\n', 'a: 1\n'].map((unit) => [
      `as many ${JSON.stringify(unit)} as are read`,
      fill(unit, Math.floor(marks / Math.max(1, (unit.match(/[\n:\-[",]/g) ?? []).length)) * unit.length),
    ]),
  ),
  'a key as long as the file': `${fill('x', maxBytes - 10)}: 1`,
  'a text of variables': `forward: { 80: "${fill('${X}', maxBytes - 100)}" }`,
  'unknown keys': lines(44_000, (i) => `k${i}: 1`),
  'bad forwards': `forward:\n${lines(44_000, (i) => `  ${i}: 1`)}`,
  'bad listeners': `listeners:\n${lines(11_000, (i) => `  - { nam: l${i}, pool: p${i} }`)}`,
  'names that nobody knows': `listeners:\n${lines(5000, (i) => `  - { name: l${i}, listen: "1.2.3.4:80", pool: p${i} }`)}
pools:\n${lines(4000, (i) => `  q${i}: { endpoints: ["1.2.3.4:80"] }`)}`,
  'pools that lead to each other': `listeners:\n${lines(256, (i) => `  - { name: l${i}, listen: "127.0.0.1:${i + 1}", pool: p${i} }`)}
pools:\n${lines(256, (i) => `  p${i}:\n    endpoints:\n${lines(150, (j) => `      - 127.0.0.1:${((j * 7) % 256) + 1}`)}`)}`,
  'pools without what they need': `pools:\n${lines(20_000, (i) => `  p${i}: { kubernetes: { port: http } }`)}`,
  'endpoints that are none': `pools:\n  a:\n    endpoints:\n${lines(44_000, (i) => `      - nope nope${i}`)}`,
  aliases: `a: &a 1\nb: [${fill('*a, ', 160_000)}]`,
  'merged mappings': `a: &a { ${lines(40_000, (i) => `k${i},`)} }\n${lines(99, (i) => `b${i}: { <<: *a }`)}`,
}

for (const [name, text] of Object.entries(shapes)) {
  test.serial(`an answer comes within seconds: ${name}`, (t) => {
    const before = process.cpuUsage()
    const parsed = parseConfig(text, { file: 'edge.yaml', env: {} })
    const shown = parsed.kind === 'invalid' ? parsed.problems.map((problem) => renderProblem(problem)) : []
    const { user } = process.cpuUsage(before)
    t.log(`${Math.round(user / 1000)} ms of CPU`)
    // Three times the bar, for a slow machine; what grew quadratically took 11 and 26 s.
    t.true(user < 9_000_000, `${user} µs`)
    t.is(parsed.kind, 'invalid')
    t.true(shown.length >= 1 && shown.length <= 101)
    t.true(shown.join('').length < 200_000)
  })
}
