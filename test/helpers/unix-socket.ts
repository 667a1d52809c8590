import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Fd } from '../../src/linux/fd.ts'
import { must } from '../../src/linux/libc.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { unixAddress } from '../../src/linux/unix-address.ts'
import { Peer } from './peer.ts'

/** A gateway at a UNIX socket of its own folder. */
export interface UnixBackend {
  readonly path: string
  /** As in `endpoints`. */
  readonly endpoint: string
  readonly peers: readonly Peer[]
  close(): Promise<void>
}

/** A path that nobody listens at yet, in a folder of its own, which remove() takes away. */
export function socketPath(): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'unix-'))
  return { path: join(folder, 'gateway.sock'), remove: () => rmSync(folder, { recursive: true }) }
}

/** `name`: `@name` in the abstract namespace; a path when left out. */
export async function unixBackend(onPeer: (peer: Peer) => void, name?: string): Promise<UnixBackend> {
  const made = name === undefined ? socketPath() : { path: name, remove() {} }
  const peers: Peer[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const peer = new Peer(socket)
    peers.push(peer)
    onPeer(peer)
  })
  server.listen({ path: made.path.replace(/^@/, '\0'), backlog: 4096 })
  await once(server, 'listening')
  return {
    path: made.path,
    endpoint: `unix:${made.path}`,
    peers,
    async close() {
      for (const { socket } of peers) socket.destroy()
      server.close()
      await once(server, 'close')
      made.remove()
    },
  }
}

/** A UNIX socket whose backlog is full: nobody accepts, and the one place in it is taken. */
export function fullSocket() {
  const loaded = loadLibc()
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  const { libc } = loaded
  const { path, remove } = socketPath()
  const bytes = unixAddress(path)
  if (bytes === null) throw new Error(`${path} is no UNIX socket`)
  const address = libc.block(bytes.length)
  address.bytes.set(bytes)
  const listening = must<Fd>('socket', libc.socket('unix'))
  must('bind', libc.bind(listening, address, bytes.length))
  must('listen', libc.listen(listening, 0))
  const filler = must<Fd>('socket', libc.socket('unix'))
  must('connect', libc.connect(filler, address, bytes.length))
  return {
    endpoint: `unix:${path}`,
    /** More may connect. */
    makeRoom: () => must('listen', libc.listen(listening, 16)),
    close() {
      libc.close(filler)
      libc.close(listening)
      remove()
    },
  }
}
