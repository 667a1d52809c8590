import type { Peer } from '../peer.ts'

/**
 * Any program that forwards from `{listen}` to `{connect}`, which become 127.0.0.1:PORT; `{listen-port}` and `{connect-port}`
 * are the ports alone, and `{connect-2}` a second endpoint. The shell reads the rest. It has to stay in the foreground.
 */
export function commandPeer(text: string): Peer {
  const second = text.includes('{connect-2}')
  return {
    name: 'command',
    title: text,
    mostEndpoints: second ? 2 : 1,
    missing: () => null,
    version: () => text,
    setup({ port, endpoints: [first = 0, other] }) {
      const values: Readonly<Record<string, string>> = {
        '{listen}': `127.0.0.1:${port}`,
        '{listen-port}': String(port),
        '{connect}': `127.0.0.1:${first}`,
        '{connect-port}': String(first),
        // Where a case has one endpoint the second is the same.
        '{connect-2}': `127.0.0.1:${other ?? first}`,
        '{connect-2-port}': String(other ?? first),
      }
      const filled = text.replace(/\{[a-z0-9-]+\}/g, (word) => values[word] ?? word)
      return { files: {}, command: ['/bin/sh', '-c', `exec ${filled}`], reload: null, stop: null }
    },
  }
}
