import test from 'ava'
import { type Problem, renderProblem } from '../../src/config/problem.ts'
import { fileSource, problemAt } from '../../src/config/source.ts'

const problem: Problem = {
  message: 'unknown key `balanse` in pools.web',
  file: 'config/edge.yaml',
  line: 4,
  column: 5,
  length: 7,
  sourceLine: '    balanse: p2c',
  hint: 'did you mean `balance`?',
}

test('a problem shows the line, the carets and the hint', (t) => {
  t.is(
    renderProblem(problem),
    [
      'error: unknown key `balanse` in pools.web',
      '  --> config/edge.yaml:4:5',
      '   |',
      ' 4 |     balanse: p2c',
      '   |     ^^^^^^^ did you mean `balance`?',
    ].join('\n'),
  )
})

test('the margin grows with the line number', (t) => {
  t.is(
    renderProblem({ ...problem, line: 1234, hint: null }, 'warning'),
    [
      'warning: unknown key `balanse` in pools.web',
      '     --> config/edge.yaml:1234:5',
      '      |',
      ' 1234 |     balanse: p2c',
      '      |     ^^^^^^^',
    ].join('\n'),
  )
})

test('a problem without a position shows the file and the hint', (t) => {
  const rendered = renderProblem({
    message: 'cannot read the configuration',
    file: 'edge.yaml',
    line: null,
    column: null,
    length: 1,
    sourceLine: null,
    hint: 'no such file',
  })
  t.is(rendered, ['error: cannot read the configuration', '  --> edge.yaml', '   = no such file'].join('\n'))
})

test('the carets stand below their text behind tabs', (t) => {
  const lines = renderProblem({ ...problem, sourceLine: '\t\t  balanse: p2c' }).split('\n')
  t.is(lines[4], '   | \t\t  ^^^^^^^ did you mean `balance`?')
})

for (const [what, before, under, indent, carets] of [
  ['Hangul takes two columns a character', '    이름: ', '"게이트웨이"', 10, 12],
  ['a Hangul syllable in pieces (NFD) takes the same two', '게이트: '.normalize('NFD'), 'p2c', 8, 3],
  ['fullwidth forms and Chinese characters too', 'ａ網: ', 'ｘ', 6, 2],
  ['an accent of its own takes none', 'e\u0301: ', 'o\u0308k', 3, 2],
  ['an emoji is one of two columns, in two units', '🚀: ', '🚀🚀', 4, 4],
  ['a mark that is replaced has the column of what is shown', 'a\u202eb: ', 'c', 5, 1],
  ['a half of a pair has the column of what a terminal shows for it', '\ud83d: ', 'c', 3, 1],
] as const) {
  test(`the carets stand below their text: ${what}`, (t) => {
    const sourceLine = `${before}${under} # 끝`
    const column = before.length + 1
    const [, , , , line] = renderProblem({ ...problem, sourceLine, column, length: under.length }).split('\n')
    t.is(line, `   | ${' '.repeat(indent)}${'^'.repeat(carets)} did you mean \`balance\`?`)
  })
}

test('the carets of a span that ends at nothing are still one', (t) => {
  const [, , , , line] = renderProblem({ ...problem, sourceLine: '이름:', column: 4, length: 1 }).split('\n')
  t.is(line, '   |      ^ did you mean `balance`?')
})

test('the carets stand right in a long line of Hangul, of which a part is shown', (t) => {
  const sourceLine = `${'가'.repeat(100)}나다${'라'.repeat(200)}`
  const [, , , shown = '', line = ''] = renderProblem({
    ...problem,
    sourceLine,
    column: 101,
    length: 2,
  }).split('\n')
  // `…`, then 60 characters of two columns.
  t.is(shown.indexOf('나다') - shown.indexOf('…'), 61)
  t.is(line.indexOf('^') - shown.indexOf('…'), 121)
  t.true(line.includes('^^^^ '))
})

test('control characters and text direction marks of the source do not reach the terminal', (t) => {
  const rendered = renderProblem({
    ...problem,
    message: 'a\u001b[2Jb',
    sourceLine: '    bal\u202eanse\u009b1m: \u0007',
  })
  t.false(/[\p{Cc}\u202e]/u.test(rendered.replaceAll('\n', '')))
})

test('a span over several lines underlines its first one', (t) => {
  const text = 'a: 1\r\nb:\r\n  c: 2\r\n'
  const { line, column, length, sourceLine } = problemAt(
    fileSource('edge.yaml', text),
    { start: 6, end: text.length },
    'message',
    null,
  )
  t.deepEqual({ line, column, length, sourceLine }, { line: 2, column: 1, length: 2, sourceLine: 'b:' })
})
