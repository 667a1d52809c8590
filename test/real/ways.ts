import test, { type ExecutionContext } from 'ava'
import { Forwarder, type ForwarderOptions } from '../helpers/forwarder.ts'
import type { Server } from './server.ts'

/** How a client gets to a server: straight, or through the program. */
export const ways = ['direct', 'splice', 'net'] as const

/** A test's server, and the port that its clients connect to. */
export interface Scene {
  readonly server: Server
  readonly way: (typeof ways)[number]
  readonly port: number
}

export type OnWays = (
  claim: string,
  body: (t: ExecutionContext, scene: Scene) => Promise<void>,
  options?: Pick<ForwarderOptions, 'timeouts'>,
) => void

export interface WaysOptions {
  /** Why its tests cannot run here; null: they can. */
  readonly missing: string | null
  readonly start: () => Promise<Server>
  /** A server for each test, or one for all: those that take seconds to start. */
  readonly server: 'each' | 'one'
}

/**
 * Declares tests that are true of a server without us, and must be true of it through each plane: every claim runs directly
 * first, so that what fails there is known not to be ours. One after the other; the server ends with the test, or the file.
 */
export function onWays({ missing, start, server: each }: WaysOptions): OnWays {
  if (missing !== null) {
    console.warn(`tests with a real server are skipped: ${missing}`)
    return (claim) => test.skip(claim, () => {})
  }
  const shared: Server[] = []
  if (each === 'one') {
    test.before(async () => void shared.push(await start()))
    test.after.always(async () => void (await shared[0]?.close()))
  }
  return (claim, body, options = {}) => {
    for (const way of ways) {
      test.serial(`${way}: ${claim}`, async (t) => {
        const server = shared[0] ?? (await start())
        if (each === 'each') t.teardown(() => server.close())
        if (way === 'direct') return body(t, { server, way, port: server.port })
        const forwarder = await Forwarder.start({ plane: way, endpoints: [server.port], ...options })
        t.teardown(() => forwarder.close())
        return body(t, { server, way, port: forwarder.port })
      })
    }
  }
}
