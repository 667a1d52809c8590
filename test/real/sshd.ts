import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../helpers/find-program.ts'
import { run } from '../helpers/program.ts'
import { newFolder, Server } from './server.ts'

const sshd = findProgram('sshd')
/** Where sshd goes when nobody has logged in yet: compiled in, and needed by root's only. */
const emptyRoom = '/run/sshd'
/** An sshd that takes one stranger at a time, with keys of its own; whoever runs the test may log in. */
export async function startSshd(): Promise<Server> {
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

export function sshMissing(): string | null {
  if (sshd === null) return 'sshd is not installed (package openssh-server)'
  for (const name of ['ssh', 'scp', 'sftp', 'ssh-keygen'])
    if (findProgram(name) === null) return `${name} is not installed (package openssh-client)`
  return null
}

/** What all clients are told: whose key, which host, and nothing of the caller's own configuration. */
export function sshOptions({ folder }: Server): string[] {
  const known = ['-o', `UserKnownHostsFile=${join(folder, 'known_hosts')}`, '-o', 'StrictHostKeyChecking=yes']
  const key = ['-i', join(folder, 'user'), '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes']
  return ['-F', 'none', ...known, ...key]
}

/** Whoever runs the test. */
export const me = `${userInfo().username}@127.0.0.1`
