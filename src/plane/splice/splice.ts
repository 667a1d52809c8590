import { Fd } from '../../linux/fd.ts'
import type { Libc } from '../../linux/libc.ts'
import { readLocalPorts } from '../../linux/local-ports.ts'
import type { Plane } from '../plane.ts'
import { createSweeper } from '../sweeper.ts'
import { Acks } from './acks.ts'
import { blockSize, createBlocks, Memory } from './blocks.ts'
import { ChosenPorts } from './chosen-ports.ts'
import { Clock } from './clock.ts'
import { Dialer } from './dial.ts'
import { Listener } from './listen.ts'
import { Pipes } from './pipes.ts'
import { Poller } from './poller.ts'
import { SpliceRelay } from './relay.ts'
import { addressBlockSize, SpliceWire } from './wire.ts'

export interface SplicePlaneOptions {
  readonly libc: Libc
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** What this thread's pipes may hold together. */
  readonly pipeBudgetBytes: number
  /** Bulk goes through pipes on loopback too. */
  readonly pipesOnLoopback: boolean
  readonly pipesChanged: (used: number, idle: number) => void
  /** Where the place stands whose events are looked at; see core/pair-rows.ts. */
  readonly handling?: Int32Array<ArrayBufferLike>
}

/**
 * The plane over epoll, recv/send and splice(2): Linux only. One per thread, which it blocks while nothing
 * happens.
 */
export function createSplicePlane(options: SplicePlaneOptions): Plane<SpliceWire> {
  const { libc, now: source, pipeBudgetBytes, pipesOnLoopback, pipesChanged, handling } = options
  const clock = new Clock(source)
  const poller = new Poller(libc, clock, handling)
  const now = (): number => clock.nowMs
  const after = (ms: number, fire: () => void) => clock.after(ms, fire)
  const acks = new Acks(libc, poller, now, after)
  const shared = {
    libc,
    poller,
    scratch: libc.block(blockSize),
    address: libc.block(addressBlockSize),
    acks,
    chosenPorts: new ChosenPorts(readLocalPorts, now),
  }
  const pipes = new Pipes(libc, pipeBudgetBytes, now, pipesChanged)
  const context = {
    ...shared,
    pipes,
    intake: new Memory(libc, shared.scratch),
    blocks: createBlocks(libc),
    pipesOnLoopback,
    now,
    after,
    sight: libc,
    sweeper: createSweeper(now, after),
  }
  const dialer = new Dialer(shared)
  poller.start()
  return {
    listen: (spec, accept, refused) => new Listener(shared, spec, { accept, refused }, after),
    dial: (endpoint, options, done) => dialer.dial(endpoint, options, done),
    relay: (downstream, upstream, options) => new SpliceRelay(context, downstream, upstream, options),
    adopt({ descriptors: [down = -1, up = -1], relay: past }) {
      const [downstream, upstream] = [new Fd(down), new Fd(up)]
      for (const fd of [downstream, upstream]) {
        libc.adopt(fd)
        libc.endOnClose(fd)
      }
      return {
        downstream: SpliceWire.adopted(shared, downstream, past.downstream),
        upstream: SpliceWire.adopted(shared, upstream, past.upstream),
      }
    },
    after,
    now,
    asksForRoom: true,
    wakeDescriptor: poller.wakeFd.n,
    close: () => poller.stop(),
  }
}
