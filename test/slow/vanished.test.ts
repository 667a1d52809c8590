import { execFileSync } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { Forwarder, type PlaneName } from '../helpers/forwarder.ts'
import { NetworkNamespace, namespacesMissing } from '../helpers/netns.ts'
import { Backend, dialPeer } from '../helpers/peer.ts'

const clientHost = '127.0.0.3'
const serverHost = '127.0.0.2'
const unackedMs = 1_500

const missing = namespacesMissing() ?? iptablesMissing()

function iptablesMissing(): string | null {
  try {
    execFileSync('iptables', ['--version'], { stdio: 'ignore' })
    return null
  } catch {
    return 'iptables is not installed'
  }
}

async function scene(t: ExecutionContext, plane: PlaneName) {
  const namespace = NetworkNamespace.create(`vanished-${plane}`)
  const leave = namespace.enter()
  const backend = await Backend.start({ host: serverHost })
  const forwarder = await Forwarder.start({
    plane,
    endpoints: [`${serverHost}:${backend.port}`],
    timeouts: { unackedMs },
  })
  const client = await dialPeer(forwarder.port, '127.0.0.1', clientHost)
  const server = await backend.accept()
  t.teardown(async () => {
    client.socket.destroy()
    await backend.close()
    await forwarder.close()
    leave()
    namespace.remove()
  })
  /** From now on nothing arrives that `host` sends, its ACKs included. */
  const silence = (host: string): void => {
    execFileSync('iptables', ['-A', 'INPUT', '-s', host, '-p', 'tcp', '-j', 'DROP'])
  }
  return { client, server, forwarder, silence }
}

for (const plane of ['splice', 'net'] as const) {
  const inNetwork = (claim: string, run: (t: ExecutionContext) => Promise<void>) => {
    if (missing === null) test.serial(`${plane}: case 11: ${claim}`, run)
    else test.skip(`${plane}: case 11: ${claim} (${missing})`, () => {})
  }

  inNetwork('an endpoint that acknowledges nothing for `unacked` has vanished', async (t) => {
    const { client, server, forwarder, silence } = await scene(t, plane)
    await client.write('hello')
    await server.read(5)
    silence(serverHost)
    const startMs = performance.now()
    await client.write('anybody there?')
    t.is(await client.ended(), 'rst')
    t.true(performance.now() - startMs >= unackedMs)
    const outcome = await forwarder.outcome()
    t.is(outcome.cause, 'server-timeout')
    t.deepEqual(outcome.closed, { first: 'server', how: 'timeout' })
  })

  inNetwork('so has a client, also in the middle of a long answer', async (t) => {
    const { client, server, forwarder, silence } = await scene(t, plane)
    await client.write('hello')
    await server.read(5)
    server.socket.on('error', () => {})
    silence(clientHost)
    server.socket.write(Buffer.alloc(16 * 1024 * 1024))
    const outcome = await forwarder.outcome()
    t.is(outcome.cause, 'client-timeout')
    t.is(await server.ended(), 'rst')
  })

  inNetwork('a peer that has vanished after its FIN is found too', async (t) => {
    const { client, server, forwarder, silence } = await scene(t, plane)
    client.end('the last word')
    await server.readAll()
    silence(clientHost)
    await server.write('an answer')
    t.is((await forwarder.outcome()).cause, 'client-timeout')
  })

  inNetwork('a peer that does not read for much longer than that lives', async (t) => {
    const { client, server, forwarder } = await scene(t, plane)
    client.socket.pause()
    const size = 24 * 1024 * 1024
    server.end(Buffer.alloc(size))
    await new Promise((resolve) => setTimeout(resolve, 3 * unackedMs))
    t.is(forwarder.outcomes.length, 0)
    client.socket.resume()
    const { bytes, ending } = await client.readAll()
    t.is(bytes.length, size)
    t.is(ending, 'fin')
    client.end()
  })
}
