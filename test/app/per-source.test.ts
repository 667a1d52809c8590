import test from 'ava'
import { Forwarder } from '../helpers/forwarder.ts'
import { Backend, dialPeer, echo, type Peer, turnedAway } from '../helpers/peer.ts'

const most = 8

/** The end of a connection that is served until then; its first bytes have come back. */
async function served(port: number): Promise<Peer> {
  const peer = await dialPeer(port)
  peer.socket.on('error', () => {})
  await peer.write('.')
  await peer.read(1)
  return peer
}

test('what a dead worker counted of a source is given back, and what the others count is not', async (t) => {
  const backend = await Backend.start({ onPeer: echo })
  t.teardown(() => backend.close())
  const perSource = { connections: most, perSecond: null, prefix4: 32, prefix6: 64, dryRun: false }
  const forwarder = await Forwarder.start({
    plane: 'auto',
    endpoints: [backend.port],
    listener: { perSource },
    workers: 2,
  })
  t.teardown(() => forwarder.close())
  const peers: Peer[] = []
  while (peers.length < most) peers.push(await served(forwarder.port))
  t.is(await turnedAway(forwarder.port), 'rst', 'all that this source may have')
  const lost = forwarder.app.status().workers[0]?.active ?? 0
  forwarder.app.breakWorker(1)
  await forwarder.line(/worker 1 died/)
  await forwarder.until(() => forwarder.app.status().workers.every(({ alive }) => alive))
  await forwarder.until(() => peers.filter(({ ending }) => ending !== null).length === lost)

  const again: Peer[] = []
  for (let i = 0; i < lost; i++) again.push(await served(forwarder.port))
  t.is(await turnedAway(forwarder.port), 'rst', `${lost} came free with the worker, and no more`)
  for (const { socket } of [...peers, ...again]) socket.destroy()
  await forwarder.until(() => forwarder.app.status().connections.active === 0)
  for (let i = 0; i < most; i++) again.push(await served(forwarder.port))
  t.is(await turnedAway(forwarder.port), 'rst')
  for (const { socket } of again) socket.destroy()
})
