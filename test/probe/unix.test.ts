import { chmodSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:tls'
import test from 'ava'
import type { UnixAddress } from '../../src/core/address.ts'
import { unixErrorText } from '../../src/core/wording.ts'
import { certificate } from '../../src/demo/certificate.ts'
import { probeHttp } from '../../src/probe/http.ts'
import { probeTcp } from '../../src/probe/tcp.ts'
import { probeTls } from '../../src/probe/tls.ts'
import { probeHeader } from '../../src/protocol/proxy-header.ts'
import { fullSocket, socketPath, unixBackend } from '../helpers/unix-socket.ts'
import { limits, said, short } from './fixture.ts'

const at = (path: string): UnixAddress => ({ family: 'unix', path })

test('a tcp probe connects to a UNIX socket, sends the PROXY header and nothing else', async (t) => {
  const header = probeHeader('v2')
  const gateway = await unixBackend(() => {})
  t.is(said(await probeTcp({ address: at(gateway.path), header }, limits)), 'tcp: connected')
  const all = await gateway.peers[0]?.readAll()
  t.deepEqual(all?.bytes, Buffer.from(header ?? []))
  await gateway.close()
})

test('an http probe asks over a UNIX socket, as localhost', async (t) => {
  const { path, remove } = socketPath()
  const hosts: unknown[] = []
  const server = createServer((request, response) => {
    hosts.push(request.headers.host)
    response.end('fine')
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const how = { secure: false, path: '/', status: [200], host: null }
  t.is(said(await probeHttp({ address: at(path), header: null }, how, limits)), 'http: status 200')
  t.deepEqual(hosts, ['localhost'])
  await new Promise((resolve) => server.close(resolve))
  remove()
})

test('a tls probe shakes hands over a UNIX socket', async (t) => {
  const { path, remove } = socketPath()
  const server = createTlsServer(certificate, (socket) => socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const verdict = await probeTls({ address: at(path), header: null }, null, limits)
  t.true(verdict.ok)
  await new Promise((resolve) => server.close(resolve))
  remove()
})

test('a full backlog is asked again', async (t) => {
  const full = fullSocket()
  const address = at(full.endpoint.slice('unix:'.length))
  t.like(await probeTcp({ address, header: null }, short), { ok: false, fault: 'endpoint' })
  const probing = probeTcp({ address, header: null }, limits)
  setImmediate(() => full.makeRoom())
  t.is(said(await probing), 'tcp: connected')
  full.close()
})

test('no socket, or nobody at it, is said in words', async (t) => {
  const { path, remove } = socketPath()
  t.is(said(await probeTcp({ address: at(path), header: null }, limits)), 'tcp: there is no such socket')
  remove()
})

test('no right to the socket is said in words of files', async (t) => {
  t.regex(unixErrorText({ code: 'EACCES' }), /^no permission: this user needs write access to the socket/)
  if (process.getuid?.() === 0) return // whoever is root has every right
  const gateway = await unixBackend(() => {})
  chmodSync(gateway.path, 0o400)
  t.regex(said(await probeTcp({ address: at(gateway.path), header: null }, limits)), /^tcp: no permission: /)
  await gateway.close()
})
