// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration
import test from 'ava'
import fc from 'fast-check'
import { parseEndpointList } from '../../src/config/endpoint-list.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { renderProblem } from '../../src/config/problem.ts'

const fragment = fc.oneof(
  fc.constantFrom(
    '\n',
    '  ',
    '- ',
    '-',
    ': ',
    ':',
    '[',
    ']',
    '{ ',
    ' }',
    ', ',
    '"',
    "'",
    '#',
    '&a ',
    '*a',
    '<<: ',
  ),
  fc.constantFrom(
    'listeners',
    'pools',
    'web',
    'endpoints',
    'name',
    'listen',
    'pool',
    'forward',
    'timeouts',
    'dns',
  ),
  fc.constantFrom(
    '127.0.0.1:80',
    '[::]:80',
    '${X}',
    '$',
    '5s',
    'off',
    '? ',
    '|\n',
    '>\n',
    '---\n',
    '!x ',
    '%YAML 1.1',
  ),
  fc.string({ maxLength: 5 }),
)
const text = fc.array(fragment, { maxLength: 300 }).map((parts) => parts.join(''))

test('whatever a file holds, its reader answers with a configuration or with something to show', (t) => {
  fc.assert(
    fc.property(text, (written) => {
      for (const parsed of [
        parseConfig(written, { file: 'edge.yaml', env: { X: '1' } }),
        parseEndpointList(written, 'list.yaml'),
      ]) {
        if (parsed.kind === 'ok') continue
        const shown = parsed.problems.map((problem) => renderProblem(problem))
        if (shown.length === 0 || shown.length > 101) throw new Error(`${shown.length} problems`)
        for (const each of shown) if (each.length > 2500) throw new Error(each)
      }
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('more than a hundred problems are the first hundred and their number', (t) => {
  const keys = Array.from({ length: 250 }, (_, i) => `k${i}: 1`).join('\n')
  const parsed = parseConfig(`forward: { 80: 127.0.0.1:9080 }\n${keys}`, { file: 'edge.yaml', env: {} })
  if (parsed.kind === 'ok') return t.fail()
  t.is(parsed.problems.length, 101)
  t.is(parsed.problems[99]?.line, 101)
  t.is(renderProblem(parsed.problems[100] ?? t.fail()), 'error: and 150 more\n  --> edge.yaml')
})

test('of a long line the part around the place is shown', (t) => {
  const written = `forward: { 80: 127.0.0.1:9080, ${Array.from({ length: 100 }, (_, i) => `${8000 + i}: 127.0.0.1:9080`).join(', ')}, 81: nowhere }`
  const parsed = parseConfig(written, { file: 'edge.yaml', env: {} })
  if (parsed.kind === 'ok') return t.fail()
  const [head, arrow, , line = '', carets = ''] = renderProblem(parsed.problems[0] ?? t.fail()).split('\n')
  t.is(head, 'error: forward.81 has no port')
  t.is(arrow, `  --> edge.yaml:1:${written.indexOf('nowhere') + 1}`)
  t.true(line.length < 170)
  const at = carets.indexOf('^')
  t.is(line.slice(at, at + 7), 'nowhere')
})

test('twenty thousand aliases are refused at the first one too many, a hundred are not', (t) => {
  const aliased = (count: number) =>
    parseConfig(`forward: { 80: &a 127.0.0.1:9080 }\nlimits: [${Array(count).fill('*a').join(', ')}]`, {
      file: 'edge.yaml',
      env: {},
    })
  const many = aliased(20_000)
  t.deepEqual(many.kind === 'invalid' && many.problems.map(({ message }) => message), [
    'there are more than 100 aliases',
  ])
  const few = aliased(100)
  t.deepEqual(few.kind === 'invalid' && few.problems.map(({ message }) => message), [
    'limits must be a mapping',
  ])
})

test('an alias is what its anchor was above it, and one to itself or to nothing is refused', (t) => {
  const parsed = parseConfig('forward: { 80: &a 127.0.0.1:1, 81: *a, 82: &a 127.0.0.1:2, 83: *a }', {
    file: 'edge.yaml',
    env: {},
  })
  t.deepEqual(
    parsed.kind === 'ok' &&
      parsed.config.pools.map(({ endpoints: [one] }) => one && 'port' in one && one.port),
    [1, 1, 2, 2],
  )
  const bad = parseConfig('forward: { 80: *late, 81: &late 127.0.0.1:1, 82: &me [*me] }', {
    file: 'e',
    env: {},
  })
  t.deepEqual(bad.kind === 'invalid' && bad.problems.map(({ message }) => message), [
    'there is no anchor `&late` above',
    '`*me` is part of itself',
  ])
})

test('a variable cannot make a text of any length', (t) => {
  const written = `forward: { 80: "${'${X}'.repeat(1000)}" }`
  const parsed = parseConfig(written, { file: 'edge.yaml', env: { X: 'x'.repeat(1000) } })
  t.is(parsed.kind === 'invalid' && parsed.problems[0]?.message, 'the variables in this text are too long')
})
