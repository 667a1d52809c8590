import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from '../helpers/find-program.ts'
import { run, type Said } from '../helpers/program.ts'
import { newFolder, Server } from './server.ts'

const mariadbd = findProgram('mariadbd')
/** As few as it takes: max_connections. */
export const places = 10
/** max_connect_errors. */
export const mostErrors = 10
/** Who may log in, from anywhere. */
export const account = { user: 'app', password: 'secret' } as const

/** null: they can run here. */
export function mariadbMissing(): string | null {
  if (mariadbd === null) return 'mariadbd is not installed (package mariadb-server)'
  for (const name of ['mariadb', 'mariadb-install-db'])
    if (findProgram(name) === null) return `${name} is not installed (package mariadb-server)`
  return null
}

/** A MariaDB with a new data folder. `within` starts it somewhere else: a prefix of the command. */
export async function startMariadb(address = '127.0.0.1', within: readonly string[] = []): Promise<Server> {
  const folder = newFolder('mariadb')
  chmodSync(folder, 0o755) // as root it runs as mysql
  const data = join(folder, 'data')
  const user = process.getuid?.() === 0 ? ['--user=mysql'] : []
  const install = ['mariadb-install-db', '--no-defaults', ...user, `--datadir=${data}`, '--skip-test-db']
  const said = await run([...install, '--auth-root-authentication-method=normal'])
  if (said.code !== 0) throw new Error(`mariadb-install-db: ${said.out}${said.err}`)
  const script = join(folder, 'init.sql')
  writeFileSync(script, `CREATE USER ${account.user}@'%' IDENTIFIED BY '${account.password}';\n`)
  const options = [
    ...['--no-defaults', ...user, `--datadir=${data}`, `--bind-address=${address}`, `--init-file=${script}`],
    ...[
      `--socket=${join(data, 'socket')}`,
      `--pid-file=${join(data, 'pid')}`,
      '--innodb-buffer-pool-size=32M',
    ],
    ...[`--max-connections=${places}`, `--max-connect-errors=${mostErrors}`, '--connect-timeout=60'],
  ]
  return Server.start({
    folder,
    command: (port) => [...within, mariadbd ?? '', ...options, `--port=${port}`],
    ready: /ready for connections/,
  })
}

/** What the command-line client says to `sql`, over TCP. */
export function query(
  port: number,
  sql: string,
  host = '127.0.0.1',
  password: string = account.password,
): Promise<Said> {
  const who = ['--user', account.user, `--password=${password}`, '--host', host, '--port', String(port)]
  return run([
    'mariadb',
    '--no-defaults',
    ...who,
    '--batch',
    '--raw',
    '--skip-column-names',
    '--execute',
    sql,
  ])
}

/** The same by root through the server's own socket: not a word over TCP. */
export async function asRoot({ folder }: Server, sql: string): Promise<string> {
  const who = ['--user', 'root', '--socket', join(folder, 'data', 'socket')]
  const { out, err } = await run([
    'mariadb',
    '--no-defaults',
    ...who,
    '--batch',
    '--skip-column-names',
    '--execute',
    sql,
  ])
  if (err !== '') throw new Error(err)
  return out
}
