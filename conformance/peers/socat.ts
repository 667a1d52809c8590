import type { Peer } from '../peer.ts'
import { pathOf, printed } from '../program.ts'

/** As its manual's first example of a forwarder. */
export const socat: Peer = socatWith('socat', 'socat', [], '', '')

/** Half a connection lasts for 0.5 s by default, Nagle's algorithm is on, and five may wait. */
export const socatBest: Peer = socatWith(
  'socat-best',
  'socat, best',
  ['-t', '60'],
  ',nodelay,keepalive,backlog=4096',
  ',nodelay,keepalive',
)

function socatWith(
  name: string,
  title: string,
  options: readonly string[],
  listening: string,
  dialing: string,
): Peer {
  return {
    name,
    title,
    mostEndpoints: 1,
    missing: () => (pathOf('socat') === null ? 'socat' : null),
    version: () => printed('socat', ['-V'], /socat version \S+/).replace(' version', ''),
    setup: ({ port, endpoints }) => ({
      files: {},
      command: [
        pathOf('socat') ?? 'socat',
        ...options,
        `TCP-LISTEN:${port},bind=127.0.0.1,fork,reuseaddr${listening}`,
        `TCP:127.0.0.1:${endpoints[0]}${dialing}`,
      ],
      reload: null,
      stop: null,
    }),
  }
}
