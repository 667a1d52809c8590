import { randomBytes } from 'node:crypto'
import type { Forwarder } from '../helpers/forwarder.ts'
import type { Peer } from '../helpers/peer.ts'
import { unacknowledged } from './socket.ts'

const chunkBytes = 32 * 1024
/** A direction that is only slow, or bytes on their way through a pipe, have moved by then. */
const settledMs = 50

/**
 * Sends from a peer whose other side reads nothing until the forwarder is held back and stays so: both kernels of that way
 * are full. Resolves with all that was sent and acknowledged.
 */
export async function fillUp(forwarder: Forwarder, from: Peer): Promise<Buffer> {
  const sent: Buffer[] = []
  do {
    const chunk = randomBytes(chunkBytes)
    sent.push(chunk)
    await from.write(chunk)
    await forwarder.until(() => unacknowledged(from) === 0)
  } while (!(await isHeldBack(forwarder)))
  return Buffer.concat(sent)
}

async function isHeldBack(forwarder: Forwarder): Promise<boolean> {
  const held = () => forwarder.metric('spliceway_buffered_bytes')
  if ((await held()) === 0) return false
  await new Promise((resolve) => setTimeout(resolve, settledMs))
  return (await held()) > 0
}
