import test from 'ava'
import { take } from '../../src/handover/taker.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { Forwarder, openDescriptors } from '../helpers/forwarder.ts'
import { Backend, dialPeer, echo } from '../helpers/peer.ts'

const loaded = loadLibc()
if (loaded.kind === 'missing') throw new Error(loaded.reason)
const { libc } = loaded
const accepted = 'spliceway_connections_accepted_total{listener="main"}'

/** A program, and newcomers that take over from it and die. */
async function scene(name: string) {
  const backend = await Backend.start({ onPeer: echo })
  const socket = `spliceway-test-${process.pid}-${name}`
  const forwarder = await Forwarder.start({
    plane: 'splice',
    endpoints: [backend.port],
    config: { handover: { socket, sessions: 'keep', secret: { kind: 'auto' } } },
  })
  const log = { info() {}, warn() {}, error() {} }
  const uid = process.getuid?.() ?? 0
  /** Resolves when the program has yielded; the result is its death. */
  const newcomer = async () => {
    const inheritance = await take({ name: socket, libc, uid, program: 'new', doors: [], log })
    if (inheritance.sockets.length === 0) throw new Error('nothing was handed over')
    await inheritance.accepting(inheritance.sockets.map(({ key }) => key))
    return () => {
      for (const { close } of inheritance.sockets) close()
      if (inheritance.name !== null) libc.close(inheritance.name)
      inheritance.abandon()
    }
  }
  const hello = async () => {
    const client = await dialPeer(forwarder.port)
    client.end('hello')
    return (await client.readAll()).bytes.toString()
  }
  const close = async () => {
    await backend.close()
    await forwarder.close()
  }
  return { forwarder, newcomer, hello, close }
}

test.serial('a worker that is replaced while a successor accepts leaves the queue to it', async (t) => {
  const { forwarder, newcomer, close } = await scene('replaced')
  const die = await newcomer()
  forwarder.app.breakWorker(1)
  await forwarder.line(/worker 1 died/)
  const client = await dialPeer(forwarder.port)
  client.end('hello')
  // About time: longer than a worker needs to start.
  await new Promise((resolve) => setTimeout(resolve, 500))
  t.is(await forwarder.metric(accepted), 0)
  die()
  t.is((await client.readAll()).bytes.toString(), 'hello')
  t.is(await forwarder.metric(accepted), 1)
  await close()
})

test.serial('ten newcomers that die young leave no descriptor behind', async (t) => {
  const { forwarder, newcomer, hello, close } = await scene('descriptors')
  const open: number[] = []
  for (let i = 0; i < 11; i++) {
    const die = await newcomer()
    die()
    await forwarder.until(() => forwarder.app.status().state === 'serving')
    t.is(await hello(), 'hello')
    await forwarder.until(() => forwarder.app.status().connections.active === 0)
    open.push(openDescriptors())
  }
  t.true((open.at(-1) ?? 0) <= (open[0] ?? 0), open.join())
  await close()
})
