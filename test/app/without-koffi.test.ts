import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { Backend, dialPeer, echo } from '../helpers/peer.ts'
import { Program, run } from '../helpers/program.ts'
import { installationWithoutKoffi } from '../helpers/without-koffi.ts'
import { unacknowledged } from '../plane/socket.ts'

function configFile(folder: string, port: number, plane: string): string {
  const file = join(folder, `${plane}.yaml`)
  const listener = '{ name: main, listen: "127.0.0.1:0", pool: main }'
  const admin = `admin: { listen: off, socket: ${join(folder, 'admin.sock')} }`
  const pool = `pools: { main: { endpoints: ["127.0.0.1:${port}"] } }`
  writeFileSync(file, `listeners: [${listener}]\n${pool}\n${admin}\nplane: ${plane}\n`)
  return file
}

test('without koffi plane: auto is net, says why, and forwards', async (t) => {
  const folder = installationWithoutKoffi()
  t.teardown(() => rmSync(folder, { recursive: true }))
  const backend = await Backend.start({ onPeer: echo })
  t.teardown(() => backend.close())
  const cli = join(folder, 'src', 'cli.mjs')
  const file = configFile(folder, backend.port, 'auto')
  const program = await Program.start([process.execPath, cli, 'run', '-c', file], {})
  t.teardown(() => program.kill())
  t.regex(await program.line(/bytes move by/), /by the net plane: koffi or libc\.so\.6 did not load/)
  t.regex(await program.line(/accept queue/), /"level":"warn"/)
  t.regex(await program.line(/urgent bytes/), /"level":"warn"/)
  const { address } = JSON.parse(await program.line(/listening on/))
  const client = await dialPeer(Number(address.slice(address.lastIndexOf(':') + 1)))
  client.end('hello')
  t.is((await client.readAll()).bytes.toString(), 'hello')
})

test('without koffi an answer that came ahead of a reset reaches a client that reads', async (t) => {
  const folder = installationWithoutKoffi()
  t.teardown(() => rmSync(folder, { recursive: true }))
  const backend = await Backend.start()
  t.teardown(() => backend.close())
  const file = configFile(folder, backend.port, 'net')
  const program = await Program.start([process.execPath, join(folder, 'src', 'cli.mjs'), 'run', '-c', file])
  t.teardown(() => program.kill())
  const { address } = JSON.parse(await program.line(/listening on/))
  const client = await dialPeer(Number(address.slice(address.lastIndexOf(':') + 1)))
  t.teardown(() => client.socket.destroy())
  const server = await backend.accept()
  client.socket.pause()
  const bytes = Buffer.alloc(3_000_000, 'x')
  void server.write(bytes).catch(() => {})
  while (unacknowledged(server) > 0) await sleep(5)
  server.reset()
  client.socket.resume()
  const read = await client.readAll()
  t.deepEqual([read.bytes.length, read.ending], [bytes.length, 'rst'])
  t.is(JSON.parse(await program.line(/"msg":"connection"/)).cause, 'server')
})

test('without koffi plane: splice is refused with the reason', async (t) => {
  const folder = installationWithoutKoffi()
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = configFile(folder, 9, 'splice')
  const said = await run([process.execPath, join(folder, 'src', 'cli.mjs'), 'run', '-c', file], {})
  t.is(said.code, 78)
  t.regex(said.err, /^error: plane: splice does not work here: koffi or libc\.so\.6 did not load/)
  t.notRegex(said.err, /\n {4}at /)
})
