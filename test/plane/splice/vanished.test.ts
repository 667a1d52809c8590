import { execFileSync } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { socketAddress } from '../../../src/core/address.ts'
import type { Libc } from '../../../src/linux/libc.ts'
import { loadLibc } from '../../../src/linux/load-libc.ts'
import type { RelayEnd } from '../../../src/plane/plane.ts'
import { createSplicePlane } from '../../../src/plane/splice/splice.ts'
import { NetworkNamespace, namespacesMissing } from '../../helpers/netns.ts'
import { Backend, dialPeer } from '../../helpers/peer.ts'
import { boundSocket } from './bound-socket.ts'

/** In the plane's time a second takes 10 ms: the 120 s of the rule take 1.2. */
const speed = 100
const ruleMs = 120_000
const hourMs = 3_600_000
const clientHost = '127.0.0.3'
const serverHost = '127.0.0.2'
const untold = { up() {}, down() {}, buffered() {}, upstreamEnded() {}, lasting() {}, closing() {} }
const timeouts = {
  idleMs: hourMs,
  halfCloseMs: hourMs,
  stallMs: hourMs,
  unackedMs: ruleMs,
  // The kernel counts these in real seconds: nobody is found by keepalive here.
  keepalive: { idleMs: 60_000, intervalMs: 15_000, count: 4 },
}

const missing = namespacesMissing() ?? iptablesMissing()

function iptablesMissing(): string | null {
  try {
    execFileSync('iptables', ['--version'], { stdio: 'ignore' })
    return null
  } catch {
    return 'iptables is not installed'
  }
}

/** A test of the rule; where there are no namespaces or no iptables it is skipped, and its name says why. */
function inNetwork(claim: string, run: (t: ExecutionContext) => Promise<void>): void {
  if (missing === null) test.serial(`case 11: ${claim}`, run)
  else test.skip(`case 11: ${claim} (${missing})`, run)
}

/**
 * Everything that tells or takes time runs `speed` times faster; the calls themselves are the kernel's. Both peers live in
 * the plane's thread, so it never waits for long.
 */
function hurried(libc: Libc): Libc {
  return {
    ...libc,
    tcp(descriptor) {
      const tcp = libc.tcp(descriptor)
      if (tcp === null) return null
      return { ...tcp, lastSentMs: tcp.lastSentMs * speed, lastAckMs: tcp.lastAckMs * speed }
    },
    epollWait: (epoll, events, ms) => libc.epollWait(epoll, events, Math.min(1, Math.ceil(ms / speed))),
  }
}
const now = (): number => performance.now() * speed

/** A relayed connection in a network of its own. `ended` is how the relay ended and when, in the plane's time. */
async function scene(t: ExecutionContext) {
  const namespace = NetworkNamespace.create('vanished')
  const leave = namespace.enter()
  const loaded = loadLibc()
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  const libc = hurried(loaded.libc)
  const plane = createSplicePlane({
    libc,
    now,
    pipeBudgetBytes: 0,
    pipesOnLoopback: false,
    pipesChanged() {},
  })
  const { socket, port } = boundSocket(libc)
  const backend = await Backend.start({ host: serverHost })
  const endpoint = socketAddress(serverHost, backend.port)
  if (endpoint === undefined) throw new Error('unreachable')
  const { promise: ended, resolve, reject } = Promise.withResolvers<RelayEnd & { readonly atMs: number }>()
  const listening = plane.listen(
    { socket: socket.n, backlog: 8, hasRoom: () => true },
    (downstream) =>
      plane.dial(endpoint, { source: null, transparent: false, group: 'main', forClient: true }, (dialed) => {
        if (dialed.kind === 'failed') {
          reject(new Error(dialed.code))
          return
        }
        const ended = (end: RelayEnd): void => resolve({ ...end, atMs: now() })
        plane.relay(downstream, dialed.wire, {
          header: null,
          past: null,
          timeouts,
          owner: { ...untold, ended },
        })
      }),
    () => {},
  )
  const client = await dialPeer(port, '127.0.0.1', clientHost)
  const server = await backend.accept()
  t.teardown(async () => {
    client.socket.destroy()
    await backend.close()
    listening.close('leave')
    plane.close()
    leave()
    namespace.remove()
  })
  /** From now on nothing arrives that `host` sends, its ACKs included. */
  const silence = (host: string): void => {
    execFileSync('iptables', ['-A', 'INPUT', '-s', host, '-p', 'tcp', '-j', 'DROP'])
  }
  return { client, server, ended, silence }
}

inNetwork('an endpoint that acknowledges nothing for 120 s has vanished', async (t) => {
  const { client, server, ended, silence } = await scene(t)
  await client.write('hello')
  t.is((await server.read(5)).toString(), 'hello')
  silence(serverHost)
  const sentMs = now()
  await client.write('anybody there?')
  const end = await ended
  t.like(end, { kind: 'idle', side: 'upstream', code: 'ETIMEDOUT', bytesUp: 19 })
  t.deepEqual(end.closed, { first: 'server', how: 'timeout' })
  // Looked at eight times in it. A second in which this machine stands still is 100 s here.
  const tookMs = end.atMs - sentMs
  t.true(tookMs > ruleMs && tookMs < 5 * ruleMs, `${tookMs}`)
  t.is(await client.ended(), 'rst')
})

inNetwork('so has a client', async (t) => {
  const { client, server, ended, silence } = await scene(t)
  await server.write('hello')
  t.is((await client.read(5)).toString(), 'hello')
  silence(clientHost)
  await server.write('anybody there?')
  const end = await ended
  t.like(end, { kind: 'idle', side: 'downstream', code: 'ETIMEDOUT', bytesDown: 19 })
  t.deepEqual(end.closed, { first: 'client', how: 'timeout' })
  t.is(await server.ended(), 'rst')
})

inNetwork('whoever is silent with nothing to acknowledge has not vanished', async (t) => {
  const { client, server, ended, silence } = await scene(t)
  await client.write('hello')
  t.is((await server.read(5)).toString(), 'hello')
  silence(serverHost)
  await elapse(t, 1.5 * ruleMs, ended)
})

inNetwork('a peer that does not read lives, because its kernel answers', async (t) => {
  const { client, server, ended } = await scene(t)
  server.socket.pause()
  client.socket.write(Buffer.alloc(16 * 1024 * 1024, 'x')) // more than all sockets between them take
  await elapse(t, 1.5 * ruleMs, ended)
  t.true(client.socket.writableLength > 0, 'the last bytes had no room')
  server.socket.resume()
  t.deepEqual(await server.read(1024 * 1024), Buffer.alloc(1024 * 1024, 'x'))
})

/** Fails when the relay ends within `ms` of the plane's time. */
async function elapse(t: ExecutionContext, ms: number, ended: Promise<RelayEnd>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<null>()
  const timer = setTimeout(() => resolve(null), ms / speed)
  const end = await Promise.race([promise, ended])
  clearTimeout(timer)
  t.is(end, null)
}
