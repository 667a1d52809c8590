import type { Facts } from '../facts.ts'
import { advice, type Finding, setSysctl } from '../finding.ts'
import { type Gateway, gatewayText } from '../node/gateways.ts'
import { hostPort } from '../subject.ts'

/** As docs/tuning.md has it. */
const wide = '1024 60999'
/** Beyond this, a burst meets the end. */
const mostUsed = 0.8

/** Local ports: for connections to gateways, and listeners whose port another connection might have. */
export function localPorts(facts: Facts): readonly Finding[] {
  const [from, to] = (facts.kernel.sysctls.get('net.ipv4.ip_local_port_range') ?? '').split(/\s+/).map(Number)
  if (from === undefined || to === undefined) return []
  const reserved = rangesOf(facts.kernel.sysctls.get('net.ipv4.ip_local_reserved_ports') ?? '')
  const isLocal = (port: number): boolean =>
    from <= port && port <= to && !reserved.some(([a, b]) => a <= port && port <= b)
  const kept = reserved.reduce((sum, [a, b]) => sum + Math.max(0, Math.min(b, to) - Math.max(a, from) + 1), 0)
  const size = to - from + 1 - kept
  return [
    ...facts.gateways.flatMap((gateway) => headroom(facts, gateway, size, isLocal)),
    ...inRange(facts, isLocal, `${from} to ${to}`),
  ]
}

function headroom(
  { sockets }: Facts,
  gateway: Gateway,
  size: number,
  isLocal: (port: number) => boolean,
): readonly Finding[] {
  const { answer, host, port, pool } = gateway
  const used = sockets.filter(
    (socket) => socket.remoteHost === host && socket.remotePort === port && isLocal(socket.port),
  )
  const ports = new Set(used.map((socket) => socket.port)).size
  const none = answer.kind === 'failed' && answer.code === 'EADDRNOTAVAIL'
  if (!none && ports < size * mostUsed) return []
  const ended = used.filter(({ state }) => state === 'time-wait').length
  return [
    {
      code: 'local-ports-few',
      severity: none ? 'blocks' : 'hurts',
      what: `of ${size} local ports for connections to gateway ${gatewayText(gateway)} of pool ${pool}, ${ports} are in use (${ended} of them in TIME_WAIT, for up to 60 s)${none ? ', and no connection to it is possible' : ''}`,
      proof: ['ss', '-Htan', 'dst', gatewayText(gateway)],
      remedy: advice(
        'a wider range (keep ports that this host listens on out of it with ip_local_reserved_ports), and ports in TIME_WAIT used again; or connect.source with more addresses',
        setSysctl('net.ipv4.ip_local_port_range', wide),
        setSysctl('net.ipv4.tcp_tw_reuse', 1),
      ),
    },
  ]
}

/** A connection of somebody else may have the port when spliceway starts, and then it cannot. */
function inRange(
  { subject, kernel, running }: Facts,
  isLocal: (port: number) => boolean,
  range: string,
): readonly Finding[] {
  const bound =
    running.kind === 'answers' ? running.status.listeners.map(({ address }) => hostPort(address)?.port) : []
  const ports = [...new Set(subject.listeners.map(({ port }) => port))].filter(isLocal)
  if (ports.length === 0) return []
  const before = kernel.sysctls.get('net.ipv4.ip_local_reserved_ports') ?? ''
  return [
    {
      code: 'port-in-local-range',
      severity: ports.every((port) => bound.includes(port)) ? 'note' : 'hurts',
      what: `${ports.join(', ')} ${ports.length === 1 ? 'is' : 'are'} among the ports that the kernel gives to outgoing connections (${range}): at a start one of these may have it`,
      proof: ['sysctl', 'net.ipv4.ip_local_port_range', 'net.ipv4.ip_local_reserved_ports'],
      remedy: advice(
        'keep it for the listener',
        setSysctl(
          'net.ipv4.ip_local_reserved_ports',
          [before, ...ports].filter((each) => each !== '').join(','),
        ),
      ),
    },
  ]
}

/** `8080,9000-9010`. */
function rangesOf(text: string): readonly (readonly [number, number])[] {
  return text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const [from = 0, to = from] = part.split('-').map(Number)
      return [from, to]
    })
}
