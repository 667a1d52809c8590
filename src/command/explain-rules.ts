import { createSocket } from 'node:dgram'
import type { Config, PoolConfig } from '../config/config.ts'
import { formatIp, type SocketAddress, socketAddress } from '../core/address.ts'
import { deviceOf, wayBack, wayBackBySocket } from '../core/way-back.ts'
import { shellQuoted } from '../doctor/finding.ts'
import { addressesOfDevices } from '../transparent.ts'

/** What this host has to be told for a configuration to work: the rules of transparent pools. */
export async function explainRules({ pools }: Config): Promise<string> {
  const transparent = pools.filter((pool) => pool.transparent)
  if (transparent.length === 0) return 'No pool is transparent: this host needs no rules.\n'
  // Two pools may share endpoints, and all share routes: a line that is there already is an error of `ip`.
  const rules = new Set<string>()
  for (const pool of transparent) for (const rule of await rulesOf(pool)) rules.add(rule)
  const all = [...rules]
  const notes = [
    ...(all.some((rule) => rule.includes(' ADDRESS ')) ? [found] : []),
    ...(all.some((rule) => rule.includes('iif') && !rule.includes('iif lo')) ? [elsewhere] : []),
  ]
  const lines = all.map((rule) => `  ${rule}\n`).join('')
  const names = transparent.map(({ name }) => name).join(', ')
  return `Transparent pools (${names}) need on this host, once, as root:\n${lines}\n${[...notes, general].join('\n')}`
}

const found = `\
For each ADDRESS that a name or a source finds; DEVICE is lo for one on this host, or what \`ip route get ADDRESS\` names.
`
const elsewhere = `\
An endpoint on another host must send what is for clients by way of this one: there, its route to them leads here.
`

async function rulesOf({ endpoints, discovery }: PoolConfig): Promise<string[]> {
  const rules: string[] = discovery === null ? [] : placeholders('PORT')
  for (const endpoint of endpoints) {
    if ('unix' in endpoint) continue
    const address = socketAddress(endpoint.host, endpoint.port)
    rules.push(...(address === undefined ? placeholders(endpoint.port) : await rulesTo(address)))
  }
  return rules
}

const general = `A rule by address takes all that comes from that port of an endpoint: a client that connects to it directly, by way of this
host, gets no answer. Where there are such clients, these take what belongs to a transparent socket and nothing else, for
every endpoint on another host, instead of \`ip rule add iif\` (the routes stay):
${wayBackBySocket.map((words) => `    ${shellQuoted(words)}\n`).join('')}
The process needs CAP_NET_RAW. docs/transparent.md has the rest.
`

async function rulesTo(address: SocketAddress): Promise<string[]> {
  const device = deviceOf(address, await localEnd(address), addressesOfDevices())
  return wayBack(address, device === undefined ? 'DEVICE' : device).map((words) => words.join(' '))
}

/** Of an endpoint whose address is not in the file. */
function placeholders(port: number | 'PORT'): string[] {
  return [
    `ip rule add iif DEVICE from ADDRESS ipproto tcp sport ${port} lookup 100`,
    'ip route add local 0.0.0.0/0 dev lo table 100',
  ]
}

/** Where a connection to `address` would begin: by a datagram socket, which sends nothing. null: nowhere. */
function localEnd(address: SocketAddress): Promise<SocketAddress | null> {
  const socket = createSocket(address.family === 4 ? 'udp4' : 'udp6')
  const { promise, resolve } = Promise.withResolvers<SocketAddress | null>()
  const end = (local: SocketAddress | null): void => {
    socket.close()
    resolve(local)
  }
  socket.once('error', () => end(null))
  socket.once('connect', () => end(socketAddress(socket.address().address, 0) ?? null))
  socket.connect(address.port, formatIp(address))
  return promise
}
