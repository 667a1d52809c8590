import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { patienceMs } from '../helpers/forwarder.ts'
import { dialPeer, type Ending, type Peer } from '../helpers/peer.ts'
import type { Server } from './server.ts'

/** So many clients, and each of them must be told. */
export const crowd = 50
const pollMs = 5

/** What a client was told, and how its connection ended. */
export type Told = `${string}, then ${Ending}`

/** Connects, and closes with the test. */
export async function guest(t: ExecutionContext, port: number): Promise<Peer> {
  const peer = await dialPeer(port)
  t.teardown(() => peer.socket.destroy())
  return peer
}

/** How often each thing was told to a crowd that came one after the other, and said `words` (null: nothing). */
export async function inTurn(port: number, words: string | null): Promise<Record<Told, number>> {
  const told: Told[] = []
  for (let count = 0; count < crowd; count++) {
    const peer = await dialPeer(port)
    if (words !== null) peer.socket.write(words)
    told.push(await heard(peer))
  }
  return counted(told)
}

/**
 * The same for a crowd whose words are all there before the server looks: where it closes without reading them, the kernel
 * sends a reset behind its last word.
 */
export async function atOnce(server: Server, port: number, words: string): Promise<Record<Told, number>> {
  server.freeze()
  try {
    const before = unreadBytes(server.port)
    const late = sleep(patienceMs, null, { ref: false })
    const dialed = Promise.all(Array.from({ length: crowd }, () => dialPeer(port)))
    const peers = await Promise.race([dialed, late])
    if (peers === null) throw new Error('its backlog has no place for the crowd')
    for (const peer of peers) peer.socket.write(words)
    const deadlineMs = performance.now() + patienceMs
    while (unreadBytes(server.port) < before + crowd * words.length) {
      if (performance.now() > deadlineMs) throw new Error('what the crowd said did not reach the server')
      await sleep(pollMs)
    }
    server.thaw()
    return counted(await Promise.all(peers.map(heard)))
  } finally {
    server.thaw()
  }
}

async function heard(peer: Peer): Promise<Told> {
  const { bytes, ending } = await peer.readAll()
  peer.socket.destroy()
  return `${bytes.toString('latin1')}, then ${ending}`
}

function counted(told: readonly Told[]): Record<Told, number> {
  const counts: Record<Told, number> = {}
  for (const each of told) counts[each] = (counts[each] ?? 0) + 1
  return counts
}

/** What the kernel has received for the connections to a local port and nobody has read. */
function unreadBytes(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  // proc(5), /proc/net/tcp: local address, remote address, state, tx_queue:rx_queue; 01 is ESTABLISHED
  const line = new RegExp(`^ *\\d+: [0-9A-F]{8}:${hex} [0-9A-F:]{13} 01 [0-9A-F]{8}:([0-9A-F]{8}) `, 'gm')
  const found = readFileSync('/proc/net/tcp', 'latin1').matchAll(line)
  return [...found].reduce((sum, [, bytes = '0']) => sum + Number.parseInt(bytes, 16), 0)
}
