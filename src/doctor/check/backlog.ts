import type { Facts } from '../facts.ts'
import { advice, type Finding, setSysctl } from '../finding.ts'

/** Linux' own default since 5.4, and what the program asks for. */
const usual = 4096
/** Once in a while every host has a burst. */
const fewOverflows = 100

/** Room for connections that wait to be accepted. */
export function backlog({ kernel: { sysctls, tcp }, subject }: Facts): readonly Finding[] {
  const found: Finding[] = []
  const most = sysctls.get('net.core.somaxconn')
  if (most !== undefined && Number(most) < usual && subject.listeners.length > 0) {
    found.push({
      code: 'somaxconn-small',
      severity: 'hurts',
      what: `only ${most} connections may wait to be accepted at a port: in a burst clients are kept waiting for a second or more`,
      proof: ['sysctl', 'net.core.somaxconn'],
      remedy: advice(
        'raise it, and start spliceway again or reload it',
        setSysctl('net.core.somaxconn', usual),
      ),
    })
  }
  const overflows = tcp.get('ListenOverflows') ?? 0
  if (overflows > fewOverflows) {
    found.push({
      code: 'listen-overflows',
      severity: 'note',
      what: `${overflows} connections found no room in the queue of a listener on this host since it started`,
      proof: ['nstat', '-az', 'TcpExtListenOverflows'],
      remedy: advice(
        'if the number grows: a process accepts too slowly (`ss -ltn` shows whose queue is long), or net.core.somaxconn is small',
      ),
    })
  }
  return found
}
