import { spawn } from 'node:child_process'
import { connect } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { findProgram } from '../helpers/find-program.ts'
import { recordHello } from '../helpers/recorded-hello.ts'

/** Ends when the server resets it; nothing it says matters. */
function run(t: ExecutionContext, program: string, args: readonly string[]): void {
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'] })
  child.on('error', (error) => t.fail(error.message))
  t.teardown(() => child.kill('SIGKILL'))
}

interface Client {
  readonly program: string
  readonly arguments: (port: number) => readonly string[]
  readonly serverName: string | null
  readonly alpn: readonly string[]
}

const python = `
import socket, ssl, sys
context = ssl.create_default_context()
context.set_alpn_protocols(sys.argv[2].split(','))
context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), server_hostname=sys.argv[3])
`

const clients: Readonly<Record<string, Client>> = {
  'openssl s_client': {
    program: 'openssl',
    arguments: (port) => [
      's_client',
      '-connect',
      `127.0.0.1:${port}`,
      '-servername',
      'Shop.Example',
      '-alpn',
      'h2,http/1.1',
    ],
    serverName: 'shop.example',
    alpn: ['h2', 'http/1.1'],
  },
  'openssl s_client without a name': {
    program: 'openssl',
    arguments: (port) => ['s_client', '-connect', `127.0.0.1:${port}`, '-noservername'],
    serverName: null,
    alpn: [],
  },
  'openssl s_client that speaks TLS 1.2 in records of 512 bytes': {
    program: 'openssl',
    arguments: (port) => [
      's_client',
      '-connect',
      `127.0.0.1:${port}`,
      '-tls1_2',
      '-maxfraglen',
      '512',
      '-servername',
      'a.example',
    ],
    serverName: 'a.example',
    alpn: [],
  },
  curl: {
    program: 'curl',
    arguments: (port) => ['-sk', '--connect-to', `::127.0.0.1:${port}`, 'https://shop.example/'],
    serverName: 'shop.example',
    alpn: ['h2', 'http/1.1'],
  },
  'curl with a dot at the end of the name': {
    program: 'curl',
    arguments: (port) => [
      '-sk',
      '--http1.1',
      '--connect-to',
      `::127.0.0.1:${port}`,
      'https://shop.example./',
    ],
    serverName: 'shop.example',
    alpn: ['http/1.1'],
  },
  'curl to an address': {
    program: 'curl',
    arguments: (port) => ['-sk', '--no-alpn', `https://127.0.0.1:${port}/`],
    serverName: null,
    alpn: [],
  },
  'python ssl': {
    program: 'python3',
    arguments: (port) => ['-c', python, String(port), 'http/1.1,smtp', 'shop.example'],
    serverName: 'shop.example',
    alpn: ['http/1.1', 'smtp'],
  },
  'python ssl to an address': {
    program: 'python3',
    arguments: (port) => ['-c', python, String(port), 'imap', '127.0.0.1'],
    serverName: null,
    alpn: ['imap'],
  },
}
for (const [name, { program, arguments: args, serverName, alpn }] of Object.entries(clients)) {
  const path = findProgram(program, ['/usr/bin'])
  const runs = path === null ? test.skip : test
  runs(`the hello of ${name}${path === null ? ` (${program} is not installed)` : ''}`, async (t) => {
    const { hello } = await recordHello(t, (port) => run(t, path ?? '', args(port)))
    t.deepEqual(hello, { kind: 'found', serverName, alpn })
  })
}

test('the hello of Node, which has a post-quantum key share and needs two segments', async (t) => {
  const { hello, bytes } = await recordHello(t, (port) => {
    const options = {
      host: '127.0.0.1',
      port,
      servername: 'shop.example',
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
    }
    const socket = connect(options)
    socket.on('error', () => {}) // the server resets it
    t.teardown(() => socket.destroy())
  })
  t.deepEqual(hello, { kind: 'found', serverName: 'shop.example', alpn: ['h2'] })
  t.true(bytes.length > 1460, `${bytes.length} bytes`)
})
