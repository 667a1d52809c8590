import test from 'ava'
import { Forwarder } from '../helpers/forwarder.ts'
import { Backend, dialPeer } from '../helpers/peer.ts'
import { contract } from '../plane/contract/contract.ts'

// On loopback bulk is copied: without this no test but those over veth would see splice(2).
const variant = { pipesOnLoopback: true }
contract('splice', { accepting: 'pauses', variant })

test.serial('a direction in bulk has a pipe, one that rests has none', async (t) => {
  const backend = await Backend.start()
  const forwarder = await Forwarder.start({ plane: 'splice', ...variant, endpoints: [backend.port] })
  const pipes = (state: string) => forwarder.metric(`spliceway_pipes{state="${state}"}`)
  const client = await dialPeer(forwarder.port)
  const server = await backend.accept()
  client.socket.pause()
  t.is(await pipes('used'), 0)
  const bytes = Buffer.alloc(32 * 1024 * 1024, 'x')
  const written = server.write(bytes)
  const state = { used: 0 }
  const look = async () => {
    state.used = await pipes('used')
  }
  const looking = setInterval(() => void look(), 5)
  await forwarder.until(() => state.used === 1)
  client.socket.resume()
  await Promise.all([written, client.read(bytes.length)])
  await forwarder.until(() => state.used === 0)
  clearInterval(looking)
  t.is(await pipes('idle'), 1)
  t.is(forwarder.app.status().connections.active, 1)
  client.reset()
  await forwarder.close()
  await backend.close()
})
