import { execFileSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { certificate, hasOpenssl } from '../helpers/certificate.ts'
import { findProgram } from '../helpers/find-program.ts'
import { run, type Said } from '../helpers/program.ts'
import { newFolder, Server } from './server.ts'

/** max_connections, those for administrators included. */
export const places = 8
/** superuser_reserved_connections. */
export const reserved = 3

/** Debian keeps what runs a server apart, a folder for each version. */
const versions = '/usr/lib/postgresql'
const folders = versionFolders()

function versionFolders(): readonly string[] {
  try {
    return readdirSync(versions).map((version) => join(versions, version, 'bin'))
  } catch {
    return []
  }
}

const [initdb, postgres] = ['initdb', 'postgres'].map((name) => findProgram(name, folders))

/** null: they can run here. */
export function postgresMissing(): string | null {
  if (initdb == null || postgres == null) return 'postgres is not installed (package postgresql)'
  if (findProgram('psql') === null) return 'psql is not installed (package postgresql-client)'
  return hasOpenssl ? null : 'openssl is not installed'
}

/** It refuses to run as root. setpriv execs it: the process id stays. */
function asPostgres(...command: readonly string[]): readonly string[] {
  if (process.getuid?.() !== 0) return command
  return ['setpriv', '--reuid', 'postgres', '--regid', 'postgres', '--clear-groups', ...command]
}

/** A PostgreSQL with a new data folder, which takes TLS and plain connections of the user `app` without a password. */
export async function startPostgres(): Promise<Server> {
  const folder = newFolder('postgres')
  const data = join(folder, 'data')
  const { cert, key } = certificate(['localhost'])
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  writeFileSync(certFile, cert)
  writeFileSync(keyFile, key, { mode: 0o600 })
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', 'postgres', folder])
  const made = await run(asPostgres(initdb ?? '', '-D', data, '-U', 'app', '-A', 'trust', '--no-sync'))
  if (made.code !== 0) throw new Error(`initdb: ${made.out}${made.err}`)
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    max_connections: places,
    superuser_reserved_connections: reserved,
    max_wal_senders: 0, // they would need places
    fsync: 'off',
    shared_buffers: '16MB',
    ssl: 'on',
    ssl_cert_file: certFile,
    ssl_key_file: keyFile,
    log_connections: 'on',
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return Server.start({
    folder,
    command: (port) => asPostgres(postgres ?? '', '-D', data, '-p', String(port), ...options),
    ready: /database system is ready to accept connections/,
    stop: 'SIGINT', // its fast shutdown: it ends its clients
  })
}

/** What psql says to these commands, over TCP. */
export function psql(port: number, more: string, ...commands: readonly string[]): Promise<Said> {
  const where = `host=127.0.0.1 port=${port} user=app dbname=postgres ${more}`
  return run(['psql', '-X', '-A', '-t', '-q', where, ...commands.flatMap((command) => ['-c', command])])
}

/** The first message of a client, protocol 3.0: who, and which database. */
export function startup(user: string): Buffer {
  const text = `user\0${user}\0database\0postgres\0\0`
  const message = Buffer.alloc(8 + text.length)
  message.writeUInt32BE(message.length, 0)
  message.writeUInt16BE(3, 4)
  message.write(text, 8, 'latin1')
  return message
}
