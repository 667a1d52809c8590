import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { root, scene } from '../handover/upgradable.ts'
import { Program, run } from '../helpers/program.ts'
import { me, sshMissing, sshOptions, startSshd } from '../real/sshd.ts'

const missing = sshMissing()
const fileBytes = 40 * 1024 * 1024
/** Kilobits a second, so that the copy is under way all the time. */
const pace = 64_000
const sshTest = missing === null ? test.serial : test.serial.skip

sshTest(
  `an SSH session and a copy by sftp outlive two upgrades${missing === null ? '' : ` (skipped: ${missing})`}`,
  async (t) => {
    t.timeout(120_000)
    const server = await startSshd()
    t.teardown(() => server.close())
    const { port, file, configure, start, upgradePatiently, serving } = await scene(t)
    configure({ sessions: 'move', endpoint: server.port })
    const first = await start([join(root, 'bin/spliceway'), 'run', '-c', file])
    const pids = [first.pid]

    // It says each line back, and ends when it is told to.
    const session = await Program.start([
      'ssh',
      ...sshOptions(server),
      '-p',
      String(port),
      me,
      'echo begun; read end < /dev/null; while true; do echo alive; sleep 0.2; done',
    ])
    t.teardown(() => session.kill())
    await session.line(/^begun$/)
    const original = randomBytes(fileBytes)
    writeFileSync(join(server.folder, 'original'), original)
    const copy = run([
      ...['sftp', '-q', '-l', String(pace), ...sshOptions(server), '-P', String(port)],
      ...[`${me}:${join(server.folder, 'original')}`, join(server.folder, 'copy')],
    ])
    for (let i = 0; i < 2; i++) {
      const said = await upgradePatiently()
      t.is(said.code, 0, said.err)
      pids.push((await serving()).pid)
      // Whatever ends, it is not the session: the process before has gone, and lines come.
      if (i === 0) await first.line(/"msg":"stopped"/)
      const heard = session.lines.length
      await session.line(/^alive$/, heard)
    }
    t.is(new Set(pids).size, 3)
    const done = await copy
    t.deepEqual([done.err, done.code], ['', 0])
    const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
    t.is(hash(readFileSync(join(server.folder, 'copy'))), hash(original))
    t.true(session.lines.filter((line) => line === 'alive').length > 20)
    await session.kill()
    const { pid } = await serving()
    process.kill(pid, 'SIGINT')
  },
)
