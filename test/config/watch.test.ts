import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { watchConfig } from '../../src/config/watch.ts'
import { RecordedLog } from '../control/fixture.ts'

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'spliceway-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

/** Counts changes, taking each as loaded; next() resolves at the next one. */
function watch(t: ExecutionContext, file: string) {
  const log = new RecordedLog()
  const state = { changes: 0, text: readFileSync(file, 'utf8'), wake: () => {} }
  const stop = watchConfig(
    file,
    () => state.text,
    () => {
      state.changes++
      state.text = readFileSync(file, 'utf8')
      state.wake()
    },
    log,
  )
  // The watch itself keeps no process alive; the test has to.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => {
    clearInterval(alive)
    stop()
  })
  const next = () =>
    new Promise<void>((resolve) => {
      state.wake = resolve
    })
  return { state, next, log }
}

test('a rewritten file is one change', async (t) => {
  const file = join(folder(t), 'edge.yaml')
  writeFileSync(file, 'a')
  const { state, next } = watch(t, file)
  const changed = next()
  writeFileSync(file, 'ab')
  await changed
  t.is(state.changes, 1)
})

test('the swap of a ConfigMap is one change', async (t) => {
  const root = folder(t)
  for (const [name, content] of [
    ['v1', 'one'],
    ['v2', 'two'],
  ] as const) {
    mkdirSync(join(root, name))
    writeFileSync(join(root, name, 'edge.yaml'), content)
  }
  symlinkSync('v1', join(root, '..data'))
  symlinkSync('..data/edge.yaml', join(root, 'edge.yaml'))
  const { state, next } = watch(t, join(root, 'edge.yaml'))
  const changed = next()
  symlinkSync('v2', join(root, '..data_tmp'))
  renameSync(join(root, '..data_tmp'), join(root, '..data'))
  await changed
  t.is(state.changes, 1)
})

test('a file that is touched but says the same is no change, one that is gone neither', async (t) => {
  const file = join(folder(t), 'edge.yaml')
  writeFileSync(file, 'a')
  const { state, next } = watch(t, file)
  rmSync(file)
  await new Promise((resolve) => setTimeout(resolve, 1_300))
  writeFileSync(file, 'a')
  await new Promise((resolve) => setTimeout(resolve, 1_300))
  t.is(state.changes, 0)
  const changed = next()
  writeFileSync(file, 'b')
  await changed
  t.is(state.changes, 1)
})

test('a file that vanishes is said once, and once that it is back', async (t) => {
  const file = join(folder(t), 'edge.yaml')
  writeFileSync(file, 'a')
  const { log, state } = watch(t, file)
  const said: string[] = []
  const until = async (count: number): Promise<void> => {
    while (said.length < count) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      said.push(...log.take())
    }
  }
  rmSync(file)
  await until(1)
  await new Promise((resolve) => setTimeout(resolve, 1500)) // three looks more
  writeFileSync(file, 'a')
  await until(2)
  t.deepEqual(said, [
    `warn the configuration file ${file} cannot be read (ENOENT: no such file or directory, stat '${file}'); the program goes on with what it has`,
    `info the configuration file ${file} is there again`,
  ])
  t.is(state.changes, 0)
})
