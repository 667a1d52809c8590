import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import koffi from 'koffi'
import { cli } from '../end-to-end/spliceway.ts'
import { Backend, closedPort, dialPeer, echo, Peer } from '../helpers/peer.ts'
import { Program } from '../helpers/program.ts'

const AF_INET = 2
const SOCK_STREAM = 1
const IPPROTO_MPTCP = 262
const bytes = 20 * 1024 * 1024

function enabled(): boolean {
  try {
    return readFileSync('/proc/sys/net/mptcp/enabled', 'latin1').trim() === '1'
  } catch {
    return false
  }
}

const there = enabled()
const mptcp = there ? test : test.skip
const suffix = there ? '' : ' (skipped: no MPTCP in this kernel)'

/** Binds an MPTCP socket as a socket unit with SocketProtocol=mptcp does, and becomes the program that it is passed to. */
const activate = (port: number, argv: readonly string[]): string => `
  const koffi = require('koffi')
  const libc = koffi.load('libc.so.6')
  const fd = libc.func('int socket(int, int, int)')(${AF_INET}, ${SOCK_STREAM}, ${IPPROTO_MPTCP})
  const address = Buffer.from([2, 0, ${port >> 8}, ${port & 255}, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
  const on = Buffer.from([1, 0, 0, 0])
  libc.func('int setsockopt(int, int, int, void *, uint32_t)')(fd, 1, 2, on, 4) // SO_REUSEADDR, as every listener
  if (libc.func('int bind(int, void *, uint32_t)')(fd, address, 16) < 0) throw new Error('bind')
  if (libc.func('int listen(int, int)')(fd, 128) < 0) throw new Error('listen')
  const argv = ${JSON.stringify(argv)}
  const dup2 = libc.func('int dup2(int, int)')
  const env = { ...process.env, LISTEN_PID: String(process.pid), LISTEN_FDS: '1' }
  dup2(fd, 3)
  process.execve(argv[0], argv, env)`

/** A client that speaks MPTCP. */
function dialMptcp(port: number): Peer {
  const libc = koffi.load('libc.so.6')
  const fd = libc.func('int socket(int, int, int)')(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)
  const address = Buffer.from([2, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
  if (libc.func('int connect(int, void *, uint32_t)')(fd, address, 16) < 0) throw new Error('connect')
  return new Peer(new Socket({ fd, allowHalfOpen: true }))
}

for (const plane of ['splice', 'net']) {
  mptcp(`${plane}: an inherited MPTCP listener serves MPTCP and plain clients${suffix}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-mptcp-'))
    const backend = await Backend.start({ onPeer: echo })
    const port = await closedPort()
    t.teardown(async () => {
      await backend.close()
      rmSync(folder, { recursive: true })
    })
    const file = join(folder, 'edge.yaml')
    writeFileSync(
      file,
      `listeners: [{ name: main, listen: "127.0.0.1:${port}", pool: echo }]
pools: { echo: { endpoints: ["127.0.0.1:${backend.port}"], health: off } }
workers: 2
plane: ${plane}
admin: { listen: off, socket: off }
`,
    )
    const argv = [process.execPath, cli, 'run', '-c', file]
    const program = await Program.start([process.execPath, '-e', activate(port, argv)])
    t.teardown(() => program.kill())
    await program.line(/started with 1 listening socket of 1 listener that were bound before/)
    await program.line(/bytes move by/)
    t.false(program.lines.some((line) => line.includes('died')))
    for (const client of [dialMptcp(port), await dialPeer(port)]) {
      const sent = randomBytes(bytes)
      client.end(sent)
      const { bytes: got, ending } = await client.readAll()
      t.is(ending, 'fin')
      t.true(got.equals(sent))
    }
    program.tell('SIGINT')
    t.deepEqual(await program.exit, { code: 0, signal: null })
  })
}
