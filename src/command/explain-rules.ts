import { createSocket } from 'node:dgram'
import type { Config, PoolConfig } from '../config/config.ts'
import { formatIp, type SocketAddress, socketAddress } from '../core/address.ts'
import { deviceOf, wayBack } from '../core/way-back.ts'
import { addressesOfDevices } from '../transparent.ts'

/** What this host has to be told for a configuration to work: the rules of transparent pools. */
export async function explainRules({ pools }: Config): Promise<string> {
  const transparent = pools.filter((pool) => pool.transparent)
  if (transparent.length === 0) return 'No pool is transparent: this host needs no rules.\n'
  const parts: string[] = []
  for (const pool of transparent) parts.push(await explainPool(pool))
  return `${parts.join('\n')}\n${general}`
}

async function explainPool({ name, endpoints, discovery }: PoolConfig): Promise<string> {
  const rules = new Set<string>()
  let far = false
  for (const endpoint of endpoints) {
    if ('unix' in endpoint) continue
    const address = socketAddress(endpoint.host, endpoint.port)
    const lines = address === undefined ? placeholders(endpoint.port) : await rulesTo(address)
    for (const line of lines) rules.add(line)
    far ||= lines.some((line) => !line.includes('iif lo'))
  }
  if (discovery !== null) for (const line of placeholders('PORT')) rules.add(line)
  const found = [...rules].some((line) => line.includes('ADDRESS'))
  const notes = [
    ...(found
      ? [
          'for each ADDRESS that a name or a source finds; DEVICE is lo for one on this host, or what `ip route get ADDRESS` names',
        ]
      : []),
    ...(far || discovery !== null
      ? [
          'an endpoint on another host must send what is for clients by way of this one: there, its route to them leads here',
        ]
      : []),
  ]
  const lines = [...rules].map((rule) => `  ${rule}\n`).join('')
  return `pool ${name} needs on this host, once, as root:\n${lines}${notes.map((note) => `  # ${note}\n`).join('')}`
}

const general = `
The rules take whatever comes from these ports: a client that connects to such an endpoint directly, by way of this host, gets
no answer. The process needs CAP_NET_RAW. docs/transparent.md has the rest.
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
