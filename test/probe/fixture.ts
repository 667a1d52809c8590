import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import { type SocketAddress, socketAddress } from '../../src/core/address.ts'
import type { Verdict } from '../../src/core/health.ts'
import type { ProbeLimits } from '../../src/probe/verdict.ts'

/** Long enough for a busy machine; no test waits for it. */
export const limits: ProbeLimits = { timeoutMs: 5000, signal: new AbortController().signal }
/** For tests of the timeout; what has to happen before it takes a few milliseconds. */
export const short: ProbeLimits = { timeoutMs: 300, signal: new AbortController().signal }

export function loopback(port: number): SocketAddress {
  const address = socketAddress('127.0.0.1', port)
  if (address === undefined) throw new Error('unreachable')
  return address
}

export interface TestServer {
  readonly address: SocketAddress
  /** Connections accepted so far. */
  readonly accepted: number
  /** Resolves when every accepted connection is closed. */
  idle(): Promise<void>
}

/** Listens on a free port; ends with the test, which fails when a connection is left open by the other side. */
export async function serve(
  t: ExecutionContext,
  accept: (socket: Socket) => void,
  server: Server = createServer({ allowHalfOpen: false }),
): Promise<TestServer> {
  const open = new Set<Socket>()
  let accepted = 0
  server.on('connection', (socket: Socket) => {
    accepted++
    open.add(socket)
    socket.on('error', () => {}) // A probe may reset; what counts is that it closes.
    socket.once('close', () => open.delete(socket))
    accept(socket)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    address: loopback(port),
    get accepted() {
      return accepted
    },
    async idle() {
      await Promise.all([...open].map((socket) => new Promise((closed) => socket.once('close', closed))))
    },
  }
}

/** An address of this machine where nobody listens. */
export async function closedPort(): Promise<SocketAddress> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  await new Promise((closed) => server.close(closed))
  return loopback(port)
}

/** The verdict in one word or one reason: times differ from run to run. */
export function said(verdict: Verdict): string {
  return verdict.ok ? verdict.detail.replace(/ in [\d.]+ ms$/, '') : verdict.reason
}
