import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { exitCode } from '../../src/command/exit-code.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { renderProblem } from '../../src/config/problem.ts'
import { errorCodes } from '../../src/core/coded-error.ts'
import { Tally } from '../../src/core/tally.ts'
import { trafficFamilies } from '../../src/telemetry/traffic-families.ts'
import { checkout } from './image.ts'

const readme = readFileSync(join(checkout, 'README.md'), 'utf8')
const observe = readFileSync(join(checkout, 'docs/observe.md'), 'utf8')

/** Texts of the fenced blocks of one language. */
function blocks(page: string, language: string): readonly string[] {
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, found]) => found === language)
    .map(([, , text = '']) => text)
}

/** Cells in backquotes in the first column of the tables of docs/observe.md. */
const firstCells = new Set(
  [...observe.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text),
  ),
)

test('every configuration in the README is valid, and nothing in it is unused', (t) => {
  const all = blocks(readme, 'yaml')
  t.true(all.length >= 3)
  for (const text of all) {
    const parsed = parseConfig(text, { file: 'README.md', env: {} })
    const problems = parsed.kind === 'ok' ? parsed.warnings : parsed.problems
    t.deepEqual(
      problems.map((problem) => renderProblem(problem)),
      [],
    )
  }
})

test('the mistake that the README shows is answered as it says', (t) => {
  const text =
    'forward: { 8080: 127.0.0.1:9080 }\npools:\n  web:\n    endpoints: [10.0.0.5:9080]\n    balanse: p2c\n'
  const parsed = parseConfig(text, { file: 'edge.yaml', env: {} })
  const problems = parsed.kind === 'invalid' ? parsed.problems : []
  const [shown] = problems.map((problem) => renderProblem(problem))
  t.true(
    blocks(readme, '').some((block) => block.trim() === shown?.trim()),
    shown,
  )
})

test('every file that the README links to exists', (t) => {
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(([, link = '']) => link)
  const local = links.filter((link) => !/^https?:/.test(link))
  t.true(local.length >= 5)
  t.deepEqual(
    local.filter((link) => !existsSync(join(checkout, link))),
    [],
  )
})

test('every file that src/README.md names exists', (t) => {
  const text = readFileSync(join(checkout, 'src/README.md'), 'utf8')
  const named = [...text.matchAll(/`([a-z0-9/-]+\.(?:ts|mjs))`/g)].map(([, name = '']) => name)
  t.true(named.length >= 20)
  const missing = named.filter(
    (name) => !existsSync(join(checkout, 'src', name)) && !existsSync(join(checkout, name)),
  )
  t.deepEqual(missing, [])
})

test('docs/observe.md names every metric of the program and no other', (t) => {
  const families = trafficFamilies({
    tally: new Tally(1),
    listeners: () => [],
    rangeFiles: () => [],
    endpoints: () => [],
    unresolved: () => [],
    poolTimes: () => [],
    connectionsLimit: () => 0,
    discovery: () => [],
    healthChecks: () => ({ success: 0, failure: 0 }),
    draining: () => false,
    lastReloadSuccessful: () => true,
    logLinesDropped: () => 0,
    predecessors: () => [],
    workerDeaths: () => ({ restarts: 0, adopted: 0, lost: { poison: 0 } }),
    build: { version: '', plane: 'net', node: '' },
    openFileLimit: 0,
  })
  t.deepEqual(
    [...firstCells].filter((cell) => cell.startsWith('spliceway_')).toSorted(),
    families.map(({ name }) => name).toSorted(),
  )
})

test('docs/observe.md lists every error code of our own and no other', (t) => {
  t.deepEqual([...firstCells].filter((cell) => cell.startsWith('ERR_')).toSorted(), errorCodes.toSorted())
})

test('docs/observe.md explains every field of its access log line', (t) => {
  const [line = '{}'] = blocks(observe, 'json')
  const { level, time, msg, ...fields } = JSON.parse(line)
  t.deepEqual([level, typeof time, msg], ['info', 'string', 'connection'])
  t.deepEqual(
    Object.keys(fields).filter((field) => !firstCells.has(field)),
    [],
  )
})

test('the alerts that the README recommends are about metrics that there are', (t) => {
  const [sentence = ''] = /Worth an alert:[\s\S]*?\n\n/.exec(readme) ?? []
  const named = [...sentence.matchAll(/`(\w+)(?: == 0)?`/g)].map(([, name = '']) => `spliceway_${name}`)
  t.true(named.length >= 4)
  t.deepEqual(
    named.filter((name) => !firstCells.has(name)),
    [],
  )
})

test('the README lists every exit code', (t) => {
  for (const code of Object.values(exitCode)) t.regex(readme, new RegExp(`^\\| ${code} \\| `, 'm'))
})

test('every npm script that the README names exists', (t) => {
  const { scripts } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
  const named = [...readme.matchAll(/\bnpm run ([\w-]+)/g)].map(([, name = '']) => name)
  t.true(named.length >= 2)
  for (const name of named) t.true(name in scripts, name)
})

test('the first screen of the README has the two commands of the quick start, and the picture before them', (t) => {
  const screen = readme.split('\n').slice(0, 24).join('\n')
  const commands = 'npm ci --ignore-scripts\nbin/spliceway demo\n'
  t.deepEqual(blocks(screen, 'sh'), [commands])
  t.true(screen.indexOf('client ────▶') > 0 && screen.indexOf('client ────▶') < screen.indexOf(commands))
  t.is(blocks(readme.slice(readme.indexOf('## Quick start')), 'sh')[0], commands)
})
