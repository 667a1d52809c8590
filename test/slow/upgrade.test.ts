import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { LongLived } from '../handover/long-lived.ts'
import { installation, root, scene } from '../handover/upgradable.ts'
import { run } from '../helpers/program.ts'
import { pack } from '../packaging/package.ts'

test.serial(
  'upgrade: by the launcher, through a link, the version is the one to which the link leads by then',
  async (t) => {
    t.timeout(90_000)
    const { folder, file, start, upgradePatiently, serving } = await scene(t)
    installation(join(folder, 'one'), '0.1.1')
    installation(join(folder, 'two'), '0.1.2')
    const link = join(folder, 'current')
    symlinkSync('one', link)
    const old = await start([join(link, 'bin/spliceway'), 'run', '-c', file])
    t.like(await serving(), { pid: old.pid, version: '0.1.1' })
    unlinkSync(link)
    symlinkSync('two', link)
    const said = await upgradePatiently()
    t.is(said.err, '')
    t.is(said.code, 0)
    const { pid, version } = await serving()
    t.is(version, '0.1.2')
    t.regex(said.out, new RegExp(`pid ${pid} serves, version 0\\.1\\.2; nothing is left in this one`))
    t.is(readFileSync(`/proc/${pid}/comm`, 'latin1'), 'spliceway\n', 'no shell stays before it')
    // And once more: the one that was started so can do it too.
    const again = await upgradePatiently()
    t.is(again.code, 0, again.err)
    t.not((await serving()).pid, pid)
  },
)

test.serial(
  'upgrade: a newcomer that fails leaves the old one serving, and its words are printed',
  async (t) => {
    t.timeout(90_000)
    const { folder, port, file, configure, start, upgrade, serving } = await scene(t)
    const place = installation(join(folder, 'installed'), '0.1.1')
    const old = await start([process.execPath, join(place, 'src/cli.mjs'), 'run', '-c', file])
    const held = await LongLived.open(1, port)
    const fails = async (words: RegExp): Promise<void> => {
      const said = await upgrade()
      t.is(said.code, 1, said.out)
      t.regex(said.err, words)
      t.like(await serving(), { pid: old.pid })
      await held.ask()
    }

    writeFileSync(file, 'listeners: {}\nnonsense: 1\n')
    await fails(
      /^this process serves on: the installed version does not take the configuration \(exit code 78\):\n[\s\S]*nonsense[\s\S]*\n$/,
    )

    const stranger = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => stranger.once('listening', resolve))
    const address = stranger.address()
    const taken = typeof address === 'object' ? address?.port : 0
    configure({ listeners: `, { name: more, listen: "127.0.0.1:${taken}", pool: echo }` })
    await fails(
      /^this process serves on: the new one, pid \d+, has not taken over: it ended with exit code 75\n/,
    )
    await fails(new RegExp(`\nspliceway: cannot listen on 127\\.0\\.0\\.1:${taken}: the port is taken`))
    stranger.close()
    configure()

    // The program is broken, but for the check.
    const cli = join(place, 'src/cli.mjs')
    const good = readFileSync(cli, 'utf8')
    writeFileSync(cli, `if (!process.argv.includes('check')) process.exit(3)\n`)
    await fails(/has not taken over: it ended with exit code 3$/m)
    unlinkSync(cli)
    await fails(
      /^this process serves on: the installed version does not take the configuration \(exit code 1\):\n[\s\S]*Cannot find module/,
    )
    writeFileSync(cli, good)

    // It hangs as soon as it accepts: the old one takes its place back.
    writeFileSync(
      join(place, 'src/handover/probation.ts'),
      `import { writeFileSync } from 'node:fs'
export const longestProbationMs = 8_000
export async function prove() {
  process.kill(process.pid, 'SIGSTOP')
  return { kind: 'settled' }
}
`,
    )
    await fails(/has not taken over: it is still there \(it gave no sign of life for 3000 ms\)/)
    t.true(old.lines.some((line) => /this process accepts again/.test(line)))
    await held.close()
  },
)

test.serial('upgrade: the package that npm installs can do it, by the link that npm makes', async (t) => {
  t.timeout(120_000)
  const { folder, file, start, serving } = await scene(t)
  const packed = await pack()
  t.teardown(() => rmSync(packed.folder, { recursive: true, force: true }))
  // As npm lays it out, without asking a registry: the packages of this checkout beside it.
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  const own = join(root, 'node_modules')
  for (const name of readdirSync(own).filter((each) => !each.startsWith('.')))
    symlinkSync(join(own, name), join(modules, name))
  const said = await run(['tar', '-xzf', packed.tarball, '-C', modules])
  t.is(said.code, 0, said.err)
  renameSync(join(modules, 'package'), join(modules, 'spliceway'))
  const link = join(modules, '.bin/spliceway')
  symlinkSync('../spliceway/bin/spliceway', link)
  const old = await start([link, 'run', '-c', file])
  const upgraded = await run([link, 'upgrade', '--socket', join(folder, 'admin.sock')])
  t.is(upgraded.code, 0, upgraded.err)
  const { pid } = await serving()
  t.not(pid, old.pid)
  t.regex(
    readFileSync(`/proc/${pid}/environ`, 'latin1'),
    new RegExp(`\\0SPLICEWAY_LAUNCHER=${pid} ${link}\\0`),
  )
})
