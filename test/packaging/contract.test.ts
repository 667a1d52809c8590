import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { checkout } from './image.ts'

interface Case {
  readonly number: number
  readonly title: string
  readonly proofs: readonly Proof[]
}

/** A file, and the titles in it; none: its titles name the case. */
interface Proof {
  readonly file: string
  readonly titles: readonly string[]
}

const cases = casesOf(read('docs/contract.md'))
const numbers = cases.map(({ number }) => number)
/** As titles name a case: at their beginning, or after the plane's name. */
const named = /(?<=['`](?:\$\{\w+\}: )?case )\d+(?=: )/g

function read(file: string): string {
  return readFileSync(join(checkout, file), 'utf8')
}

/** Without line breaks, which are where the line was full. */
function flat(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}

function casesOf(page: string): Case[] {
  return page
    .split(/^(?=#+ )/m)
    .map((section) => ({ section, heading: /^### (\d+)\. (.*)$/m.exec(section) }))
    .filter(({ heading }) => heading !== null)
    .map(({ section, heading }) => {
      const [, number = '', title = ''] = heading ?? []
      return { number: Number(number), title, proofs: proofsOf(flat(section)) }
    })
}

function proofsOf(section: string): Proof[] {
  const proved = section.split('Tested by ').slice(1).join(' ')
  return [...proved.matchAll(/`([\w./-]+\.ts)`(?:: ((?:"[^"]+"(?:, )?)+))?/g)].map(
    ([, file = '', quoted = '']) => ({
      file: `test/${file}`,
      titles: [...quoted.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title),
    }),
  )
}

/** Titles that stand in the text of a test file; where a title has a variable part, what is on one side of it. */
function holds(text: string, title: string): boolean {
  return flat(text).replaceAll("\\'", "'").includes(title)
}

test('the cases are numbered from 1 without a gap, and none twice', (t) => {
  t.true(cases.length > 20)
  t.deepEqual(
    numbers.toSorted((a, b) => a - b),
    cases.map((_, at) => at + 1),
  )
})

test('every case is tested, and what it is said to be tested by exists', (t) => {
  for (const { number, title, proofs } of cases) {
    const what = `${number}. ${title}`
    t.true(proofs.length > 0, `${what}: no test`)
    for (const { file, titles } of proofs) {
      if (!existsSync(join(checkout, file))) {
        t.fail(`${what}: there is no ${file}`)
        continue
      }
      const text = read(file)
      const lost = titles.filter((wanted) => !holds(text, wanted))
      t.deepEqual(lost, [], `${what}: ${file} has no such title`)
    }
  }
})

test('a file that is named without titles names the case in its own', (t) => {
  for (const { number, title, proofs } of cases) {
    for (const { file, titles } of proofs.filter(({ file }) => existsSync(join(checkout, file)))) {
      if (titles.length > 0 || isVariant(file)) continue
      t.true(casesIn(file).includes(number), `${number}. ${title}: no title in ${file} says case ${number}`)
    }
  }
})

/** It runs the titles of other files, and has none of its own. */
function isVariant(file: string): boolean {
  return file.startsWith('test/slow/warm-contract-')
}

function casesIn(file: string): number[] {
  return [...read(file).matchAll(named)].map(([number]) => Number(number))
}

test('every case that a title names is on the page, with the file that names it', (t) => {
  const files = globSync('test/**/*.ts', { cwd: checkout }).filter((file) => casesIn(file).length > 0)
  t.true(files.length > 8)
  for (const file of files) {
    for (const number of new Set(casesIn(file))) {
      const proofs = cases.find((one) => one.number === number)?.proofs
      t.not(proofs, undefined, `${file}: there is no case ${number}`)
      t.true(
        proofs?.some((proof) => proof.file === file),
        `case ${number} does not name ${file}`,
      )
    }
  }
})

test('every case that a comment names is on the page', (t) => {
  const files = globSync(['src/**/*.ts', 'test/**/*.ts'], { cwd: checkout })
  const comments = files.flatMap((file) =>
    [...read(file).matchAll(/(?:\/\/|\*).*\bcases? (\d+)/gi)].map(([, number]) => ({ file, number })),
  )
  t.true(comments.length > 3)
  t.deepEqual(
    comments.filter(({ number }) => !numbers.includes(Number(number))),
    [],
  )
})
