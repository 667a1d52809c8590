import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { execForm, parseCopy, type Stage, stageOf } from './dockerfile.ts'
import { keptBy } from './ignored.ts'
import { checkout, contextFiles, stages } from './image.ts'

const last = stageOf(stages, null)
const uid = '64080:64080'

/** Texts of all instructions of a kind in a stage. */
function all(stage: Stage, keyword: string): readonly string[] {
  return stage.instructions.filter((each) => each.keyword === keyword).map((each) => each.text)
}

test('the program runs as a user of its own, by number, so that Kubernetes can check that it is not root', (t) => {
  t.deepEqual(all(last, 'USER'), [uid])
})

test('Node is process 1: no shell and no wrapper before it', (t) => {
  const [entrypoint = ''] = all(last, 'ENTRYPOINT')
  t.deepEqual(execForm(entrypoint), [
    '/usr/local/bin/spliceway-node',
    '--disable-sigusr1',
    '/app/src/cli.mjs',
  ])
  const [command = ''] = all(last, 'CMD')
  t.deepEqual(execForm(command), ['run'])
})

test('the file capability is set in the last stage, where no copying can lose it', (t) => {
  const setting = all(last, 'RUN').filter((run) =>
    /setcap \$\{CAPABILITIES\}=\+ep \/usr\/local\/bin\/spliceway-node/.test(run),
  )
  t.is(setting.length, 1)
  t.deepEqual(all(last, 'ARG'), ['CAPABILITIES=cap_net_bind_service'])
  t.true(setting[0]?.includes('purge -y --auto-remove libcap2-bin'), 'setcap itself stays out of the image')
})

test('the command is the launcher, which starts the Node beside it: a probe runs no other one to ask for its version', (t) => {
  const linked = all(last, 'RUN').filter((run) =>
    run.includes('ln -s /app/bin/spliceway /usr/local/bin/spliceway'),
  )
  t.is(linked.length, 1)
  t.false(all(stageOf(stages, 'modules'), 'RUN').some((run) => /rm -r.*node-linux-\* /.test(run)))
})

test('a stop is SIGTERM, and Docker runs no health check of its own', (t) => {
  t.deepEqual(all(last, 'STOPSIGNAL'), ['SIGTERM'])
  t.deepEqual(all(last, 'HEALTHCHECK'), ['NONE'])
})

test('every base image has a tag, and none is latest', (t) => {
  const names = stages.map(({ name }) => name)
  const images = stages.map(({ from }) => from).filter((from) => !names.includes(from))
  t.true(images.length >= 2)
  for (const image of images) t.regex(image, /^[a-z/]+:(?!latest)[\w.-]+$/)
})

test('every source of a COPY exists, and .dockerignore lets it through', (t) => {
  const files = contextFiles()
  const copies = stages
    .flatMap((stage) => all(stage, 'COPY').map(parseCopy))
    .filter(({ from }) => from === null)
  t.true(copies.length >= 3)
  for (const source of copies.flatMap(({ sources }) => sources)) {
    t.true(existsSync(join(checkout, source)), source)
    t.true(
      files.some((file) => file === source || file.startsWith(`${source}/`)),
      source,
    )
  }
})

test('every stage that is copied from exists', (t) => {
  const names = stages.map(({ name }) => name)
  const origins = stages.flatMap((stage) => all(stage, 'COPY').map((copy) => parseCopy(copy).from))
  for (const origin of origins) t.true(origin === null || names.includes(origin), String(origin))
})

test('nothing that only a developer needs is in the build context', (t) => {
  const files = contextFiles()
  t.true(files.includes('src/cli.mjs'))
  t.true(files.includes('bin/spliceway'))
  t.deepEqual(
    files.filter(
      (file) => !/^(bin\/spliceway|src\/.*\.(ts|mjs)|package(-lock)?\.json|\.npmrc|LICENSE)$/.test(file),
    ),
    [],
  )
})

test('.dockerignore rules are read as Docker reads them: the last one that matches decides', (t) => {
  const rules = '# all\n*\n!src\nsrc/**/*.md\n'
  t.deepEqual(keptBy(rules, ['a', '.b', 'src/b.ts', 'src/c/d.md', 'src/e.md', 'test/src/e']), ['src/b.ts'])
})

test('the version on the label is the version of the package', (t) => {
  const { version, license } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
  const labels = all(last, 'LABEL').join(' ')
  t.true(labels.includes(`org.opencontainers.image.version="${version}"`))
  t.true(labels.includes(`org.opencontainers.image.licenses="${license}"`))
})
