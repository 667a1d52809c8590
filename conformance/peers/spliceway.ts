import { fileURLToPath } from 'node:url'
import type { Peer } from '../peer.ts'
import { printed } from '../program.ts'

const cli = fileURLToPath(new URL('../../src/cli.mjs', import.meta.url))

/** The program with its defaults. */
export const spliceway: Peer = splicewayWith('spliceway', 'spliceway', 'auto')

/** The other plane. */
export const splicewayNet: Peer = splicewayWith('spliceway-net', 'spliceway, net', 'net')

/** Without probes, because their connections would be taken for a client's; nobody else has any either. */
function splicewayWith(name: string, title: string, plane: 'auto' | 'net'): Peer {
  return {
    name,
    title,
    mostEndpoints: 2,
    missing: () => null,
    version: () => printed(process.execPath, [cli, 'version'], /spliceway \S+/),
    setup: ({ folder, port, endpoints, revision }) => ({
      files: {
        'spliceway.yaml': `listeners: [{ name: in, listen: "127.0.0.1:${port}", pool: out }]
pools: { out: { endpoints: [${endpoints.map((at) => `"127.0.0.1:${at}"`).join(', ')}], health: off } }
timeouts: { idle: ${3_600 + revision}s }
${plane === 'auto' ? '' : `plane: ${plane}\n`}admin: { socket: ${folder}/admin.sock, listen: off }
`,
      },
      command: [process.execPath, cli, 'run', '-c', `${folder}/spliceway.yaml`],
      reload: 'SIGHUP',
      stop: 'SIGTERM',
    }),
  }
}
