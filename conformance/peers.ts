import type { Peer } from './peer.ts'
import { commandPeer } from './peers/command.ts'
import { direct } from './peers/direct.ts'
import { haproxy, haproxyBest } from './peers/haproxy.ts'
import { nginx, nginxBest } from './peers/nginx.ts'
import { socat, socatBest } from './peers/socat.ts'
import { spliceway, splicewayNet } from './peers/spliceway.ts'

/** In the order of the document's columns. */
export const published: readonly Peer[] = [
  direct,
  haproxy,
  haproxyBest,
  nginx,
  nginxBest,
  socat,
  socatBest,
  spliceway,
]

const known: readonly Peer[] = [...published, splicewayNet]

export const peerNames: readonly string[] = [
  ...known.map(({ name }) => name),
  'command:"…{listen}…{connect}…"',
]

const command = 'command:'

/** The peer of this name; or what is wrong with it. */
export function peerNamed(name: string): Peer | string {
  if (!name.startsWith(command)) {
    return known.find((peer) => peer.name === name) ?? `there is no peer \`${name}\``
  }
  const text = name.slice(command.length)
  const lacks = ['listen', 'connect'].find((word) => !new RegExp(`\\{${word}(-port)?\\}`).test(text))
  return lacks === undefined ? commandPeer(text) : `the command says nowhere \`{${lacks}}\``
}
