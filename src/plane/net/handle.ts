import type { Server, Socket } from 'node:net'

/**
 * The part of Node's TCP handle that this plane uses. Not a public interface of Node: takeConnections()
 * checks it.
 */
export interface TcpHandle {
  readonly fd: number
  /** Bytes that libuv still holds. */
  readonly writeQueueSize: number
  close(): void
}

/**
 * Sets what Node has no option for: SO_OOBINLINE, so that urgent bytes stay where they are in the stream, and
 * TCP_NOTSENT_LOWAT (plane/unsent.ts). What a listener accepts inherits both.
 */
export type Tune = (descriptor: number) => void

/**
 * Takes a socket's error (SO_ERROR), as its errno name; null: it has none. After a short read beside POLLHUP
 * libuv says EOF without looking (uv__stream_io()), and a reset is POLLHUP too.
 */
export type TakeError = (descriptor: number) => string | null

/**
 * Hands over each accepted handle instead of letting net.Server build its own socket around it: only a socket
 * that is built with `onread` reads into our buffers, and net.Server offers no such option. Throws when this
 * Node's server looks different, so that a new release fails its first test and not a connection.
 */
export function takeConnections(server: Server, accept: (error: number, handle: TcpHandle) => void): void {
  const listening: unknown = Reflect.get(server, '_handle')
  if (typeof listening !== 'object' || listening === null || !('onconnection' in listening)) {
    throw new Error(
      `Node ${process.version} keeps its listening handle elsewhere: the net plane knows Node 26`,
    )
  }
  listening.onconnection = accept
}

/** The socket's handle; undefined when it is closed. */
export function handleOf(socket: Socket): TcpHandle | undefined {
  const handle: TcpHandle | null | undefined = Reflect.get(socket, '_handle')
  return handle ?? undefined
}

/** Whether it is connected to a UNIX socket, whose handle offers no reset. */
export function isPipe(socket: Socket): boolean {
  const handle = handleOf(socket)
  return handle !== undefined && !('reset' in handle)
}
