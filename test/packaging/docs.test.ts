import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { parse } from 'yaml'
import { parseConfig } from '../../src/config/parse.ts'
import { renderProblem } from '../../src/config/problem.ts'
import { allKeys } from '../config/keys.ts'
import { checkout } from './image.ts'

const pages = globSync(
  ['README.ko.md', 'docs/**/*.md', 'config/**/*.md', '{CHANGELOG,CONTRIBUTING,SECURITY}.md'],
  { cwd: checkout },
)

function text(page: string): string {
  return readFileSync(join(checkout, page), 'utf8')
}

test('every file that a page links to exists', (t) => {
  t.true(pages.length >= 5)
  t.true(pages.some((page) => text(page).includes('](')))
  for (const page of pages) {
    const links = [...text(page).matchAll(/\]\(([^)#]+)\)/g)].map(([, link = '']) => link)
    const lost = links.filter(
      (link) => !/^https?:/.test(link) && !existsSync(join(checkout, dirname(page), link)),
    )
    t.deepEqual(lost, [], page)
  }
})

/** The name by which a heading is linked to, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-')
}

test('every heading that a page links to exists', (t) => {
  const all = ['README.md', 'src/README.md', 'bench/README.md', ...pages]
  const links = all.flatMap((page) =>
    [...text(page).matchAll(/\]\(([^)#:]*)#([^)]+)\)/g)].map(([, file = '', anchor = '']) => ({
      file: file === '' ? page : join(dirname(page), file),
      anchor,
    })),
  )
  t.true(links.length >= 5)
  const lost = links.filter(({ file, anchor }) => {
    const headings = [...text(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading))
    return !headings.includes(anchor)
  })
  t.deepEqual(lost, [])
})

test('every page is reached from the README or from a page that is', (t) => {
  const all = [text('README.md'), ...pages.map(text)].join('\n')
  for (const page of pages) t.true(all.includes(page.replace(/^docs\//, '')), page)
})

test('every configuration on a page is valid', (t) => {
  const blocks = pages.flatMap((page) => [
    ...text(page).matchAll(/^```yaml\n(?!# wrong\.yaml\n)([\s\S]*?)^```$/gm),
  ])
  const configs = blocks.map(([, block = '']) => block).filter((block) => !('kind' in parse(block)))
  t.true(configs.length >= 1)
  for (const block of configs) {
    const result = parseConfig(block, { file: 'page', env: {} })
    const problems = result.kind === 'ok' ? result.warnings : result.problems
    t.deepEqual(
      problems.map((problem) => renderProblem(problem)),
      [],
    )
  }
})

test('every key that a page names exists', (t) => {
  const paths = allKeys().map(({ path }) => path.filter((step) => /^\w+$/.test(step)).join('.'))
  const known = new Set(paths.flatMap((path) => path.split('.')))
  const named = ['README.md', ...pages].flatMap((page) =>
    // `drain.window`, `admin.readyRequires: [web]`
    [...text(page).matchAll(/`(\w+(?:\.\w+)+)(?::[^`]*)?`/g)].map(([, key = '']) => ({ page, key })),
  )
  const keys = named.filter(({ key }) => known.has(key.slice(0, key.indexOf('.'))))
  t.true(keys.length >= 10)
  const lost = keys.filter(({ key }) => !paths.some((path) => `.${path}.`.includes(`.${key}.`)))
  t.deepEqual(lost, [])
})
