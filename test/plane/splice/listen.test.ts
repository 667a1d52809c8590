import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { EMFILE, ENFILE, ENOBUFS, ENOMEM, errnoName } from '../../../src/linux/errno.ts'
import type { Libc } from '../../../src/linux/libc.ts'
import { loadLibc } from '../../../src/linux/load-libc.ts'
import { createSplicePlane } from '../../../src/plane/splice/splice.ts'
import { turnedAway } from '../../helpers/peer.ts'
import { boundSocket } from './bound-socket.ts'

function load(): Libc {
  const loaded = loadLibc()
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  return loaded.libc
}

const ENOSPC = -28
/** The listener's own pause is 100 ms: a spinning one would ask a thousand times in half of it. */
const whileMs = 50

/** A listener on a plane over `libc`; it ends with the test. */
function scene(t: ExecutionContext, change: (libc: Libc) => Partial<Libc>) {
  const libc = load()
  const events = { accepted: 0, refused: 0 }
  const plane = createSplicePlane({
    libc: {
      ...libc,
      // The plane waits in the test's own thread: never for long.
      epollWait: (epoll, events, ms) => libc.epollWait(epoll, events, Math.min(ms, 2)),
      ...change(libc),
    },
    now: () => performance.now(),
    pipeBudgetBytes: 0,
    pipesOnLoopback: false,
    pipesChanged() {},
  })
  const { socket, port } = boundSocket(libc)
  const listening = plane.listen(
    { socket: socket.n, backlog: 64, hasRoom: () => true },
    (wire) => {
      events.accepted++
      wire.close()
    },
    () => {
      events.refused++
    },
  )
  t.teardown(() => {
    listening.close('leave')
    plane.close()
  })
  return { port: port, events }
}

for (const errno of [EMFILE, ENFILE, ENOBUFS, ENOMEM]) {
  const name = errnoName(errno)
  test(`${name} from accept() is asked about ten times a second, not all the time, and nobody is lost`, async (t) => {
    let short = true
    let asked = 0
    const { port, events } = scene(t, (libc) => ({
      accept(fd, address) {
        asked++
        return short ? errno : libc.accept(fd, address)
      },
    }))
    const client = connect(port, '127.0.0.1')
    await once(client, 'connect')
    while (asked === 0) await sleep(1)
    await sleep(whileMs)
    t.is(asked, 1)
    t.is(events.accepted, 0)
    short = false
    client.resume()
    await once(client, 'end') // it was accepted and closed
    t.deepEqual(events, { accepted: 1, refused: 0 })
  })
}

test('a connection that cannot be watched is reset and told of, and the next ones wait', async (t) => {
  let refuse = false
  let asked = 0
  let refusals = 0
  const { port, events } = scene(t, (libc) => ({
    accept(fd, address) {
      asked++
      return libc.accept(fd, address)
    },
    epollAdd(...args) {
      if (!refuse) return libc.epollAdd(...args)
      refusals++
      return ENOSPC
    },
  }))
  refuse = true
  t.is(await turnedAway(port), 'rst')
  t.deepEqual(events, { accepted: 0, refused: 1 })
  const client = connect(port, '127.0.0.1')
  await once(client, 'connect')
  while (refusals < 3) await sleep(1) // the connection, and the listener twice
  refuse = false
  t.is(asked, 1, 'not before the pause is over')
  client.resume()
  await once(client, 'end')
  t.deepEqual(events, { accepted: 1, refused: 1 })
})

test('who comes alone is not followed by a question whether there are more', async (t) => {
  let asked = 0
  const { port, events } = scene(t, (libc) => ({
    accept(fd, address) {
      asked++
      return libc.accept(fd, address)
    },
  }))
  const count = 20
  for (let i = 0; i < count; i++) {
    const client = connect(port, '127.0.0.1')
    client.resume()
    await once(client, 'end')
  }
  t.is(events.accepted, count)
  // A thread that does not run for a while finds the next one in the next batch, and asks once too often.
  t.true(asked < 1.5 * count, `${asked}`)
})

test('of many that wait at once more are taken from batch to batch, and all in the end', async (t) => {
  const count = 60 // of 64 that the queue holds
  const batches: number[] = []
  let queued = false
  const { port, events } = scene(t, (libc) => ({
    epollWait(epoll, found, ms) {
      if (queued) batches.push(0)
      return queued ? libc.epollWait(epoll, found, Math.min(ms, 2)) : 0
    },
    accept(fd, address) {
      batches[batches.length - 1] = (batches.at(-1) ?? 0) + 1
      return libc.accept(fd, address)
    },
  }))
  const clients = Array.from({ length: count }, () => connect(port, '127.0.0.1').resume())
  await Promise.all(clients.map((client) => once(client, 'connect')))
  queued = true
  await Promise.all(clients.map((client) => once(client, 'close')))
  t.is(events.accepted, count)
  t.deepEqual(batches.filter((taken) => taken > 0).slice(0, 5), [1, 2, 4, 8, 16])
})
