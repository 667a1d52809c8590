import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { certificate, hasOpenssl } from '../helpers/certificate.ts'
import { findProgram } from '../helpers/find-program.ts'
import { findNginx } from '../helpers/nginx.ts'
import { run } from '../helpers/program.ts'
import { newFolder, Server } from './server.ts'
import { crowd, guest, inTurn } from './turned-away.ts'
import { uploads } from './uploads.ts'
import { onWays } from './ways.ts'

const nginx = findNginx()
const site = 'one.example'
const fileBytes = 10 * 1024 * 1024

/** An nginx with one port, which speaks TLS and HTTP/2 to those who begin with it (`listen … ssl`), or plain HTTP. */
function start(tls: boolean): Promise<Server> {
  const folder = newFolder('nginx')
  mkdirSync(join(folder, 'www'))
  writeFileSync(join(folder, 'www', 'file'), randomBytes(fileBytes))
  const { cert, key } = certificate([site])
  writeFileSync(join(folder, 'cert.pem'), cert)
  writeFileSync(join(folder, 'key.pem'), key)
  const command = (port: number): readonly string[] => {
    writeFileSync(join(folder, 'nginx.conf'), configuration(folder, port, tls))
    // nginx opens /dev/stdout by its name, which works with a pipe and not with the socket that Node makes.
    return [
      'sh',
      '-c',
      '"$0" "$@" 2>&1 | cat',
      nginx ?? '',
      '-p',
      folder,
      '-e',
      'stderr',
      '-c',
      join(folder, 'nginx.conf'),
    ]
  }
  return Server.start({ folder, command, ready: /start worker process \d+/ })
}

function configuration(folder: string, port: number, tls: boolean): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(' ')
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return `daemon off; ${user} worker_processes 1; pid ${folder}/nginx.pid; error_log stderr notice;
events { worker_connections 512; }
http {
  access_log off; ${temporary}
  limit_conn_zone $binary_remote_addr zone=places:1m;
  client_max_body_size 20m;
  server {
    listen 127.0.0.1:${port}${tls ? ' ssl http2' : ''};
    ${tls ? `ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;` : ''}
    root ${folder}/www;
    location = / { default_type text/plain; return 200 "$connection $server_protocol\\n"; }
    location /put/ { dav_methods PUT; create_full_put_path on; }
    location /small/ { client_max_body_size 1k; dav_methods PUT; }
    location = /silence { return 444; }
    location = /reset { reset_timedout_connection on; return 444; }
    location /slow/ { alias ${folder}/www/; limit_conn places 1; limit_rate 1m; limit_conn_status 429; }
  }
}
`
}

function whatIsMissing(): string | null {
  if (nginx === null) return 'nginx is not installed'
  if (findProgram('curl') === null) return 'curl is not installed'
  return hasOpenssl ? null : 'openssl is not installed'
}

const missing = whatIsMissing()
const test = onWays({ missing, start: () => start(false), server: 'each' })
const testTls = onWays({ missing, start: () => start(true), server: 'each' })

/** curl for `path`; rejects when it fails. */
async function curl(port: number, path: string, ...more: readonly string[]): Promise<string> {
  const argv = ['curl', '--silent', '--show-error', '--max-time', '15', ...more]
  const said = await run([...argv, `http://127.0.0.1:${port}${path}`])
  if (said.code !== 0) throw new Error(`curl ${path}: ${said.err}`)
  return said.out
}

/** The same over TLS, where the certificate has to be nginx's own. */
async function curlTls(
  server: Server,
  port: number,
  path: string,
  ...more: readonly string[]
): Promise<string> {
  const argv = [
    'curl',
    '--silent',
    '--show-error',
    '--max-time',
    '15',
    '--cacert',
    join(server.folder, 'cert.pem'),
  ]
  const said = await run([
    ...argv,
    '--resolve',
    `${site}:${port}:127.0.0.1`,
    ...more,
    `https://${site}:${port}${path}`,
  ])
  if (said.code !== 0) throw new Error(`curl ${path}: ${said.err}`)
  return said.out
}

function hash(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

test('200 requests of one curl are one connection', async (t, { port }) => {
  const answers = (await curl(port, '/?[1-200]')).trimEnd().split('\n')
  t.is(answers.length, 200)
  t.is(new Set(answers).size, 1)
})

test('10 MB each way arrive as they were', async (t, { server, port }) => {
  const www = (name: string): string => join(server.folder, 'www', name)
  await curl(port, '/file', '--output', join(server.folder, 'down'))
  t.is(hash(join(server.folder, 'down')), hash(www('file')))
  const status = await curl(port, '/put/up', '--upload-file', www('file'), '--write-out', '%{http_code}')
  t.is(status, '201')
  t.is(hash(www('put/up')), hash(www('file')))
})

test('an upload that is too large: curl gets the 413, 50 of 50', async (t, { server, port }) => {
  const file = join(server.folder, 'www', 'file')
  t.deepEqual(await uploads(port, '/small', file), { 413: crowd })
})

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: ${site}\r\n\r\n`

test('`return 444` is a FIN without a word, and a reset where nginx resets', async (t, { port }) => {
  t.deepEqual(await inTurn(port, get('/silence')), { ', then fin': crowd })
  t.deepEqual(await inTurn(port, get('/reset')), { ', then rst': crowd })
})

test('the second client of a place for one is told 429 while the first one reads on', async (t, { port }) => {
  const first = await guest(t, port)
  await first.write(get('/slow/file'))
  await first.read(1024)
  for (let count = 0; count < 20; count++) {
    t.is(await curl(port, '/slow/file', '--output', '/dev/null', '--write-out', '%{http_code}'), '429')
  }
  t.is(first.ending, null)
})

testTls("TLS is nginx's own, and 50 streams of HTTP/2 share a connection", async (t, { server, port }) => {
  const answers = (await curlTls(server, port, '/?[1-50]', '--http2', '--parallel')).trimEnd().split('\n')
  t.is(answers.length, 50)
  t.deepEqual([...new Set(answers.map((answer) => answer.split(' ')[1]))], ['HTTP/2.0'])
  t.true(new Set(answers).size < 50, 'connections are shared')
})

testTls('10 MB over HTTP/2 each way arrive as they were', async (t, { server, port }) => {
  const www = (name: string): string => join(server.folder, 'www', name)
  await curlTls(server, port, '/file', '--http2', '--output', join(server.folder, 'down'))
  t.is(hash(join(server.folder, 'down')), hash(www('file')))
  const write = ['--write-out', '%{http_code} %{http_version}']
  t.is(await curlTls(server, port, '/put/up', '--http2', '--upload-file', www('file'), ...write), '201 2')
  t.is(hash(www('put/up')), hash(www('file')))
})
