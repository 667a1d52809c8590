import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../helpers/program.ts'
import { me, sshMissing, sshOptions, startSshd } from './sshd.ts'
import { atOnce, crowd, guest, inTurn } from './turned-away.ts'
import { onWays } from './ways.ts'

const fileBytes = 20 * 1024 * 1024

const test = onWays({ missing: sshMissing(), start: startSshd, server: 'each' })

test('a login with a key: output, standard error and exit code of the command', async (t, {
  server,
  port,
}) => {
  const said = await run([
    'ssh',
    ...sshOptions(server),
    '-p',
    String(port),
    me,
    'echo out; echo err >&2; exit 3',
  ])
  t.deepEqual(said, { out: 'out\n', err: 'err\n', code: 3, signal: null })
})

test('20 MB go up by scp and come down by sftp as they were', async (t, { server, port }) => {
  const at = (name: string): string => join(server.folder, name)
  const bytes = randomBytes(fileBytes)
  writeFileSync(at('original'), bytes)
  const up = await run([
    ...['scp', '-q', ...sshOptions(server), '-P', String(port)],
    ...[at('original'), `${me}:${at('up')}`],
  ])
  t.deepEqual(up, { out: '', err: '', code: 0, signal: null })
  const down = await run([
    ...['sftp', '-q', ...sshOptions(server), '-P', String(port)],
    ...[`${me}:${at('up')}`, at('down')],
  ])
  t.deepEqual([down.err, down.code], ['', 0])
  const hash = (data: Buffer): string => createHash('sha256').update(data).digest('hex')
  t.is(hash(readFileSync(at('up'))), hash(bytes))
  t.is(hash(readFileSync(at('down'))), hash(bytes))
})

const refusal = 'Exceeded MaxStartups\r\n'

test('while a stranger stands in the door, the others are told so, 50 of 50', async (t, { port }) => {
  const stranger = await guest(t, port)
  t.is((await stranger.read(8)).toString(), 'SSH-2.0-')
  t.deepEqual(await inTurn(port, null), { [`${refusal}, then fin`]: crowd })
})

test('also those who have spoken already: their connection is reset behind the words', async (t, {
  server,
  port,
}) => {
  const stranger = await guest(t, port)
  t.is((await stranger.read(8)).toString(), 'SSH-2.0-')
  t.deepEqual(await atOnce(server, port, 'SSH-2.0-spliceway\r\n'), { [`${refusal}, then rst`]: crowd })
})
