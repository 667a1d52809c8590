import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../helpers/find-program.ts'
import { run } from '../helpers/program.ts'
import { newFolder, Server } from './server.ts'
import { atOnce, crowd, guest, inTurn } from './turned-away.ts'
import { onWays } from './ways.ts'

const sshd = findProgram('sshd')
/** Where sshd goes when nobody has logged in yet: compiled in, and needed by root's only. */
const emptyRoom = '/run/sshd'
const fileBytes = 20 * 1024 * 1024

/** An sshd that takes one stranger at a time, with keys of its own; whoever runs the test may log in. */
async function start(): Promise<Server> {
  const folder = newFolder('ssh')
  for (const name of ['host', 'user']) {
    const file = join(folder, name)
    const said = await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', file])
    if (said.code !== 0) throw new Error(`ssh-keygen: ${said.err}`)
  }
  const config = join(folder, 'sshd_config')
  const command = (port: number): readonly string[] => {
    const hostKey = readFileSync(join(folder, 'host.pub'), 'utf8')
    writeFileSync(join(folder, 'known_hosts'), `[127.0.0.1]:* ${hostKey}`)
    writeFileSync(
      config,
      `Port ${port}
ListenAddress 127.0.0.1
HostKey ${join(folder, 'host')}
AuthorizedKeysFile ${join(folder, 'user.pub')}
StrictModes no
PermitRootLogin prohibit-password
PidFile none
UsePAM no
UseDNS no
MaxStartups 1:100:1
Subsystem sftp internal-sftp
`,
    )
    const server = [sshd ?? '', '-D', '-e', '-f', config]
    if (process.getuid?.() !== 0 || existsSync(emptyRoom)) return server
    // In a mount namespace of its own: nothing is left of what it needs in /run.
    const room = `mount -t tmpfs run /run && mkdir -m 755 ${emptyRoom} && exec "$0" "$@"`
    return ['unshare', '--mount', 'sh', '-c', room, ...server]
  }
  return Server.start({ folder, command, ready: /^Server listening on/ })
}

function whatIsMissing(): string | null {
  if (sshd === null) return 'sshd is not installed (package openssh-server)'
  for (const name of ['ssh', 'scp', 'sftp', 'ssh-keygen'])
    if (findProgram(name) === null) return `${name} is not installed (package openssh-client)`
  return null
}

const test = onWays({ missing: whatIsMissing(), start, server: 'each' })

/** What all clients are told: whose key, which host, and nothing of the caller's own configuration. */
function options({ folder }: Server): string[] {
  const known = ['-o', `UserKnownHostsFile=${join(folder, 'known_hosts')}`, '-o', 'StrictHostKeyChecking=yes']
  const key = ['-i', join(folder, 'user'), '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes']
  return ['-F', 'none', ...known, ...key]
}

const me = `${userInfo().username}@127.0.0.1`

test('a login with a key: output, standard error and exit code of the command', async (t, {
  server,
  port,
}) => {
  const said = await run([
    'ssh',
    ...options(server),
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
    ...['scp', '-q', ...options(server), '-P', String(port)],
    ...[at('original'), `${me}:${at('up')}`],
  ])
  t.deepEqual(up, { out: '', err: '', code: 0, signal: null })
  const down = await run([
    ...['sftp', '-q', ...options(server), '-P', String(port)],
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
