import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { setTimeout as rest } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { Forwarder, type ForwarderOptions } from '../helpers/forwarder.ts'
import { Backend, dialPeer, type Peer } from '../helpers/peer.ts'

/** What one end does, in this order; then it ends, by FIN or by RST. */
interface Script {
  readonly steps: readonly Step[]
  readonly last: 'fin' | 'rst'
}

type Step =
  | { readonly kind: 'write'; readonly bytes: number }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'rest'; readonly ms: number }

const KiB = 1024
const mostWritten = 300 * KiB
/** Both ends write it from its beginning, round and round: what arrives at an offset is known without keeping it. */
const pattern = randomBytes(1_000_003)
/** A connection that takes longer has stalled. */
const patienceMs = 20_000

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      bytes: fc.integer({ min: 1, max: mostWritten }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('write' as const), bytes: fc.integer({ min: 1, max: 64 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'pause' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'resume' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('rest' as const), ms: fc.integer({ min: 0, max: 4 }) }),
  },
)
const script = (last: fc.Arbitrary<'fin' | 'rst'>): fc.Arbitrary<Script> =>
  fc.record({ steps: fc.array(step, { maxLength: 14 }), last })

/** One end of a connection: plays its script, and compares what arrives with what the other end writes. */
class Side {
  received = 0
  written = 0
  fault: string | null = null
  readonly #peer: Peer
  readonly #socket: Socket

  constructor(peer: Peer) {
    this.#peer = peer
    this.#socket = peer.socket
  }

  async play({ steps, last }: Script): Promise<void> {
    for (const each of steps) {
      if (each.kind === 'write') this.#write(each.bytes)
      else if (each.kind === 'pause') this.#socket.pause()
      else if (each.kind === 'resume') this.#socket.resume()
      else await rest(each.ms)
      await this.#check()
    }
    this.#socket.resume()
    if (last === 'fin') this.#socket.end()
    else this.#socket.resetAndDestroy()
  }

  /** How the other end left, as this one saw it; whoever has reset sees nothing. */
  async ending(): Promise<'fin' | 'rst' | 'stalled'> {
    if (this.#socket.destroyed && this.#peer.ending === null) return 'rst'
    const patience = new AbortController()
    const ended = this.#peer.readAll().then(({ bytes, ending }) => {
      this.#compare(bytes)
      return ending
    })
    const stalled = rest(patienceMs, 'stalled' as const, { signal: patience.signal }).catch(
      () => 'stalled' as const,
    )
    const ending = await Promise.race([ended, stalled])
    patience.abort()
    return ending
  }

  #write(count: number): void {
    for (let left = count; left > 0; ) {
      const at = this.written % pattern.length
      const chunk = pattern.subarray(at, Math.min(at + left, pattern.length))
      this.#socket.write(chunk)
      this.written += chunk.length
      left -= chunk.length
    }
  }

  async #check(): Promise<void> {
    if (this.#peer.size > 0 && this.#peer.ending === null)
      this.#compare(await this.#peer.read(this.#peer.size))
  }

  #compare(bytes: Buffer): void {
    for (let from = 0; from < bytes.length; ) {
      const at = this.received % pattern.length
      const length = Math.min(bytes.length - from, pattern.length - at)
      if (!bytes.subarray(from, from + length).equals(pattern.subarray(at, at + length)))
        this.fault ??= `other bytes than were sent, somewhere in the ${length} from ${this.received}`
      this.received += length
      from += length
    }
  }
}

/**
 * The model: bytes arrive as they were sent, all of them when both ends leave by FIN; an end sees FIN exactly when the
 * other left by FIN and was not cut off, and RST when the other left by RST. Returns what was otherwise.
 */
function differences(
  client: { side: Side; script: Script; saw: string },
  server: { side: Side; script: Script; saw: string },
): string[] {
  const found: string[] = []
  const bothByFin = client.script.last === 'fin' && server.script.last === 'fin'
  for (const [name, here, there] of [
    ['client', client, server],
    ['server', server, client],
  ] as const) {
    if (here.side.fault !== null) found.push(`${name}: ${here.side.fault}`)
    if (here.side.received > there.side.written) found.push(`${name}: more bytes than were sent`)
    if (here.script.last === 'rst') continue // it has not listened to the end
    if (here.saw !== there.script.last) found.push(`${name}: saw ${here.saw} instead of ${there.script.last}`)
    if (bothByFin && here.side.received !== there.side.written)
      found.push(`${name}: ${here.side.received} of ${there.side.written} bytes`)
  }
  return found
}

async function play(forwarder: Forwarder, backend: Backend, up: Script, down: Script): Promise<string[]> {
  const peer = await dialPeer(forwarder.port)
  const other = await backend.accept()
  // A reset before the relay would be a failed dial, and a second connection would come.
  await Promise.all([other.write('!'), peer.read(1)])
  const client = new Side(peer)
  const server = new Side(other)
  await Promise.all([client.play(up), server.play(down)])
  const [clientSaw, serverSaw] = await Promise.all([client.ending(), server.ending()])
  peer.socket.destroy()
  other.socket.destroy()
  return differences(
    { side: client, script: up, saw: clientSaw },
    { side: server, script: down, saw: serverSaw },
  )
}

const planes: readonly (readonly [string, Pick<ForwarderOptions, 'plane' | 'pipesOnLoopback'>])[] = [
  ['net', { plane: 'net' }],
  ['splice', { plane: 'splice' }],
  ['splice with pipes', { plane: 'splice', pipesOnLoopback: true }],
]

for (const [name, options] of planes) {
  for (const [title, last, numRuns] of [
    [
      'whatever two ends write, pause and half-close, all of it arrives, then the end',
      fc.constant('fin' as const),
      300,
    ],
    [
      'an end by RST is seen as RST, and nothing but a prefix arrives before it',
      fc.constantFrom('fin' as const, 'rst' as const),
      200,
    ],
  ] as const) {
    test.serial(`${name}: ${title}`, async (t) => {
      const backend = await Backend.start()
      const forwarder = await Forwarder.start({ ...options, endpoints: [backend.port] })
      try {
        await fc.assert(
          fc.asyncProperty(script(last), script(last), async (up, down) => {
            const found = await play(forwarder, backend, up, down)
            if (found.length > 0) throw new Error(found.join('; '))
          }),
          { numRuns, interruptAfterTimeLimit: 15_000, endOnFailure: true, includeErrorInReport: true },
        )
        t.pass()
      } finally {
        await backend.close()
        await forwarder.close()
      }
    })
  }
}
