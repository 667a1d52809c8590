import test, { type ExecutionContext } from 'ava'
import { Forwarder, type ForwarderOptions, openDescriptors, type PlaneName } from '../helpers/forwarder.ts'
import { Backend, closedPort, dialPeer, type Peer, silentPort } from '../helpers/peer.ts'

export interface Scene {
  readonly forwarder: Forwarder
  readonly backend: Backend
  /** A client through the forwarder, which sends `first`, with the backend's end of it. */
  pair(first?: Uint8Array): Promise<{ client: Peer; server: Peer }>
}

/** What a scene changes of the defaults. */
export type Settings = Omit<ForwarderOptions, 'plane'> & { onPeer?: (peer: Peer) => void; host?: string }

export interface Traits {
  /** What the plane does with connections above a limit. */
  readonly accepting: 'resets' | 'pauses'
  /** Options of every program that the suite starts. */
  readonly variant?: Partial<ForwarderOptions>
  /** Only tests whose title matches. */
  readonly only?: RegExp
  /** Awaited before each test, and around each client of pair(): resolves with what is awaited once it is connected. */
  readonly ready?: (forwarder: Forwarder) => Promise<() => Promise<void>>
}

export type SceneMaker = (
  title: string,
  settings: Settings,
  run: (t: ExecutionContext, scene: Scene) => Promise<void>,
) => void

/**
 * Makes tests that start a whole program with `plane` in its worker threads, before a backend of their own, and that end with
 * every gauge at zero and no descriptor left. Called once a file.
 */
export function scenes(plane: PlaneName, traits: Traits): SceneMaker {
  const { variant = {}, only = /^/, ready = async () => async () => {} } = traits
  test.before('descriptors that a process opens once are open', async () => {
    const forwarder = await Forwarder.start({ plane, ...variant, endpoints: [await closedPort()] })
    await forwarder.metric('spliceway_draining')
    await forwarder.close()
    await silentPort().then(({ close }) => close())
  })

  return (title, settings, run) => {
    if (!only.test(title)) return
    test.serial(`${plane}: ${title}`, async (t) => {
      const before = openDescriptors()
      const { onPeer, host, ...options } = settings
      const backend = await Backend.start({ ...(onPeer && { onPeer }), ...(host && { host }) })
      const target = host === '::1' ? `[::1]:${backend.port}` : backend.port
      const forwarder = await Forwarder.start({ plane, ...variant, endpoints: [target], ...options })
      const clients: Peer[] = []
      const pair = async (first?: Uint8Array) => {
        const paired = await ready(forwarder)
        const client = await dialPeer(forwarder.port, options.listen === '::1' ? '::1' : '127.0.0.1')
        clients.push(client)
        if (first !== undefined) await client.write(first)
        await paired()
        return { client, server: await backend.accept() }
      }
      try {
        await ready(forwarder)
        await run(t, { forwarder, backend, pair })
      } finally {
        for (const { socket } of clients) socket.destroy()
        await backend.close()
        await forwarder.close()
      }
      await forwarder
        .until(() => openDescriptors() <= before)
        .catch(() => {
          t.fail(`${openDescriptors() - before} descriptors were left open`)
        })
    })
  }
}
