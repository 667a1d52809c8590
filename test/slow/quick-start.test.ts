import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Program, run } from '../helpers/program.ts'
import { checkout } from '../packaging/image.ts'
import { npmEnvironment } from '../packaging/package.ts'

const readme = readFileSync(join(checkout, 'README.md'), 'utf8')
const section = readme.slice(readme.indexOf('## Quick start'))
const [, commands = ''] = /^```sh\n([\s\S]*?)^```$/m.exec(section) ?? []

test('the quick start, word for word, in a new checkout: the other gateway answers when one is killed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-quick-start-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const listed = await run(['git', '-C', checkout, 'ls-files'])
  for (const file of listed.out.trim().split('\n')) cpSync(join(checkout, file), join(folder, file))
  const program = await Program.start(['env', '-C', folder, 'sh', '-ec', commands], {
    env: { ...npmEnvironment, NODE_COMPILE_CACHE: '' },
  })
  t.teardown(() => program.kill())
  // What npm fetches is not what this is about.
  const instructions = await program.line(/^ +kill \d+; curl http:/, 0, 140_000)
  const [, pid = '', url = ''] = /kill (\d+); curl (\S+)/.exec(instructions) ?? []
  const answers: string[] = []
  for (let each = 0; each < 2; each++) answers.push((await run(['curl', '-s', url])).out)
  t.deepEqual(
    answers.toSorted().map((text) => text.slice(0, 20)),
    ['hello from gateway A', 'hello from gateway B'],
  )
  const said = await run(['sh', '-c', `kill ${pid}; curl -s ${url}`])
  t.regex(said.out, /^hello from gateway B /)
  await program.line(/is down: tcp: connection refused/)
})
