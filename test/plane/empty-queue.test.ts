import test, { type ExecutionContext } from 'ava'
import { socketAddress } from '../../src/core/address.ts'
import type { Fd } from '../../src/linux/fd.ts'
import type { Libc } from '../../src/linux/libc.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { writeSockaddr } from '../../src/linux/sockaddr.ts'
import { createNetPlane } from '../../src/plane/net/net.ts'
import type { Listening, Plane, Wire } from '../../src/plane/plane.ts'
import { createSplicePlane } from '../../src/plane/splice/splice.ts'
import { boundSocket } from './splice/bound-socket.ts'

const loaded = loadLibc()
if (loaded.kind === 'missing') throw new Error(loaded.reason)
const { libc } = loaded
const count = 100

/** Never waits for events: it shares the thread with the test. */
function splicePlane() {
  return createSplicePlane({
    libc: { ...libc, epollWait: (epoll, events) => libc.epollWait(epoll, events, 0) },
    now: () => performance.now(),
    pipeBudgetBytes: 0,
    pipesOnLoopback: false,
    pipesChanged() {},
  })
}

/** Connected before this returns: on loopback the kernel needs nobody's help. */
function connected(t: ExecutionContext, libc: Libc, port: number): Fd {
  const address = libc.block(28)
  const to = socketAddress('127.0.0.1', port)
  const fd = libc.socket(4)
  if (to === undefined || typeof fd === 'number') throw new Error('no socket')
  libc.connect(fd, address, writeSockaddr(address, to))
  t.teardown(() => libc.close(fd))
  return fd
}

function scene<W extends Wire>(t: ExecutionContext, plane: Plane<W>) {
  const { socket, port } = boundSocket(libc)
  const kept = libc.duplicate(socket.n)
  if (typeof kept === 'number') throw new Error('no second descriptor')
  t.teardown(() => {
    libc.close(kept)
    plane.close()
  })
  const taken: W[] = []
  const listening = plane.listen(
    { socket: socket.n, backlog: 4096, hasRoom: () => true },
    (wire) => taken.push(wire),
    t.fail,
  )
  for (let i = 0; i < count; i++) connected(t, libc, port)
  t.teardown(() => {
    for (const wire of taken) wire.reset()
  })
  return { listening, taken, kept }
}

const closed = (listening: Listening, queue: 'empty' | 'leave') =>
  new Promise<void>((resolve) => listening.close(queue, resolve))

for (const [name, create] of [
  ['splice', splicePlane],
  ['net', () => createNetPlane({ sight: null, tune: null, takeError: null })],
] as const) {
  test(`${name}: who stops accepting takes what waits in the queue first`, async (t) => {
    const { listening, taken } = scene<Wire>(t, create() as Plane<Wire>)
    await closed(listening, 'empty')
    t.is(taken.length, count)
  })

  test(`${name}: a queue that is left to another process is not touched`, async (t) => {
    const { listening, taken, kept } = scene<Wire>(t, create() as Plane<Wire>)
    await closed(listening, 'leave')
    await new Promise((resolve) => setTimeout(resolve, 50))
    t.is(taken.length, 0)
    const address = libc.block(28)
    for (let i = 0; i < count; i++) {
      const fd = libc.accept(kept, address)
      if (typeof fd === 'number') t.fail(`connection ${i} is not in the queue any more: ${fd}`)
      else libc.close(fd)
    }
  })
}
