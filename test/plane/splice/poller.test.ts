import { setImmediate as macrotask } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { AF_INET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, MSG_NOSIGNAL } from '../../../src/linux/constants.ts'
import type { Fd } from '../../../src/linux/fd.ts'
import { type Libc, must } from '../../../src/linux/libc.ts'
import { loadLibc } from '../../../src/linux/load-libc.ts'
import { Clock } from '../../../src/plane/splice/clock.ts'
import { Poller, type Watcher } from '../../../src/plane/splice/poller.ts'

const ENOSPC = -28

function load(): Libc {
  const loaded = loadLibc()
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  return loaded.libc
}

/** Remembers what it was told, and does as the test says. */
class Ear implements Watcher {
  place = -1
  readonly heard: number[] = []
  act: () => void = () => {}

  ready(events: number): void {
    this.heard.push(events)
    this.act()
  }
}

/** A poller and connected sockets to watch; both end with the test. */
function scene(
  t: ExecutionContext,
  change: (libc: Libc) => Libc = (libc) => libc,
  now: () => number = () => performance.now(),
) {
  const libc = change(load())
  const clock = new Clock(now)
  const poller = new Poller(libc, clock)
  const open: Fd[] = []
  const keep = (fd: Fd): Fd => {
    open.push(fd)
    return fd
  }
  const address = libc.block(28)
  address.view.setUint16(0, AF_INET, true)
  address.bytes.set([127, 0, 0, 1], 4)
  const listening = keep(must('socket', libc.socket(4)))
  must('bind', libc.bind(listening, address, 16))
  must('listen', libc.listen(listening, 64))
  must('getsockname', libc.getsockname(listening, address))
  const connect = (): Fd => {
    const client = keep(must('socket', libc.socket(4)))
    libc.connect(client, address, 16)
    return client
  }
  const accept = (): Fd => keep(must('accept4', libc.accept(listening, libc.block(28))))
  const byte = libc.block(1)
  t.teardown(() => {
    poller.stop()
    for (const fd of open) libc.close(fd)
    libc.close(poller.wakeFd)
  })
  return {
    libc,
    clock,
    poller,
    listening,
    connect,
    pair: () => ({ client: connect(), server: accept() }),
    send: (fd: Fd) => must('send', libc.send(fd, byte, 0, 1, MSG_NOSIGNAL)),
    /** Turns until `done`, which must come true. */
    async turn(done: () => boolean): Promise<void> {
      poller.start()
      const untilMs = performance.now() + 5_000
      while (!done()) {
        if (performance.now() > untilMs) throw new Error(`waited 5 s for: ${done}`)
        libc.raiseEventfd(poller.wakeFd.n) // never blocks the test's own thread for long
        await macrotask()
      }
    },
  }
}

test('the first look tells what is there already', async (t) => {
  const { libc, poller, pair, send, turn } = scene(t)
  const { client, server } = pair()
  send(client)
  libc.shutdownWrite(client)
  const ear = new Ear()
  t.is(poller.watch(server, ear), 0)
  await turn(() => ear.heard.length > 0)
  t.is(ear.heard[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP)
})

test('an edge is told once', async (t) => {
  const { poller, pair, send, turn } = scene(t)
  const { client, server } = pair()
  const ear = new Ear()
  poller.watch(server, ear)
  send(client)
  await turn(() => ear.heard.length > 0)
  let turns = 0
  await turn(() => ++turns > 10)
  t.is(ear.heard.length, 1)
  send(client)
  await turn(() => ear.heard.length > 1)
})

test('an event of the same batch for a socket that was closed meanwhile is not told', async (t) => {
  const { libc, poller, pair, send, turn } = scene(t)
  const pairs = Array.from({ length: 8 }, pair)
  const ears = pairs.map(({ server }) => {
    const ear = new Ear()
    ear.act = () => {
      for (const [i, other] of ears.entries()) {
        if (other === ear) continue
        poller.forget(other)
        const fd = pairs[i]?.server
        if (fd !== undefined) libc.close(fd)
      }
    }
    poller.watch(server, ear)
    return ear
  })
  for (const { client } of pairs) send(client)
  await turn(() => ears.some(({ heard }) => heard.length > 0))
  t.is(ears.filter(({ heard }) => heard.length > 0).length, 1)
})

test('an old event never reaches whoever has the place and the number now', async (t) => {
  const { libc, poller, pair, send, turn } = scene(t)
  const [first, second, fresh] = [pair(), pair(), pair()]
  const heir = new Ear()
  const ears = [new Ear(), new Ear()]
  let heirs = 0
  const inherit = (dead: number) => () => {
    if (heirs++ > 0) return
    const ear = ears[dead]
    const fd = (dead === 0 ? first : second).server
    if (ear === undefined) return
    const { place } = ear
    poller.forget(ear)
    libc.close(fd)
    poller.watch(fresh.server, heir)
    t.is(heir.place, place, 'the place is used again at once')
  }
  for (const [i, ear] of ears.entries()) ear.act = inherit(1 - i)
  for (const [i, { server }] of [first, second].entries()) {
    const ear = ears[i]
    if (ear !== undefined) poller.watch(server, ear)
  }
  libc.shutdownWrite(first.client)
  libc.shutdownWrite(second.client)
  send(fresh.client)
  await turn(() => heir.heard.length > 0)
  t.deepEqual(heir.heard, [EPOLLIN | EPOLLOUT], 'its own bytes, and not the end of the dead one')
})

test('a muted listener is not told, a connection that waits is told when it listens again', async (t) => {
  const { poller, listening, connect, turn } = scene(t)
  const ear = new Ear()
  poller.watchListener(listening, ear)
  poller.mute(listening, ear)
  poller.mute(listening, ear)
  connect()
  let turns = 0
  await turn(() => ++turns > 10)
  t.is(ear.heard.length, 0)
  t.is(poller.watchListener(listening, ear), 0)
  await turn(() => ear.heard.length > 1) // level: told again as long as it waits
  poller.forget(ear)
})

test('a socket that the kernel refuses takes no place', (t) => {
  let refuse = false
  const { poller, pair } = scene(t, (libc) => ({
    ...libc,
    epollAdd: (...args) => (refuse ? ENOSPC : libc.epollAdd(...args)),
  }))
  const { client, server } = pair()
  refuse = true
  const refused = new Ear()
  t.is(poller.watch(server, refused), ENOSPC)
  t.is(refused.place, -1)
  refuse = false
  const ear = new Ear()
  t.is(poller.watch(client, ear), 0)
  t.true(ear.place > 0, "place 0 is the eventfd's")
})

test('what is asked for while it works is for the next batch', async (t) => {
  const { poller, turn } = scene(t)
  const order: string[] = []
  poller.later(() => {
    order.push('first')
    poller.later(() => order.push('third'))
  })
  poller.later(() => order.push('second'))
  await turn(() => order.length === 3)
  t.deepEqual(order, ['first', 'second', 'third'])
})

test('a timer fires while nothing happens, though the thread waits in the kernel', async (t) => {
  const { clock, poller } = scene(t)
  poller.start()
  const startedMs = performance.now()
  await new Promise<void>((resolve) => void clock.after(100, resolve))
  const tookMs = performance.now() - startedMs
  t.true(tookMs >= 100 && tookMs < 10_000, `${tookMs}`) // and not when something happens
})

test('a timer that is due waits until all that has come is told, however much that is', async (t) => {
  const { poller, clock, pair, libc } = scene(t)
  const ears: Ear[] = []
  for (let i = 0; i < 900; i++) {
    const ear = new Ear()
    ears.push(ear)
    must('epoll_ctl', poller.watch(pair().server, ear))
  }
  const { promise, resolve } = Promise.withResolvers<number>()
  clock.after(1, () => resolve(ears.filter(({ heard }) => heard.length > 0).length))
  await new Promise((resolve) => setTimeout(resolve, 20)) // the process was paused
  poller.start()
  libc.raiseEventfd(poller.wakeFd.n)
  t.is(await promise, ears.length)
})

test('so it does when the thread stood still behind a wait that had seen nothing', async (t) => {
  const pause = { ms: 0, begin: () => {} }
  const { poller, clock, pair, send } = scene(
    t,
    (libc) => ({
      ...libc,
      epollWait(...args) {
        const count = libc.epollWait(...args)
        pause.begin()
        return count
      },
    }),
    () => performance.now() + pause.ms,
  )
  const { client, server } = pair()
  const ear = new Ear()
  poller.watch(server, ear)
  // The wait is over, and before the clock is read the process is stopped, for longer than the timer's time.
  pause.begin = () => {
    if (ear.heard.length !== 1 || pause.ms > 0) return
    send(client)
    pause.ms = 60_000
  }
  const { promise, resolve } = Promise.withResolvers<number>()
  clock.after(30_000, () => resolve(ear.heard.length))
  poller.start()
  t.is(await promise, 2, 'its first look, and what came meanwhile')
})

test('promises and immediates go on while sockets are busy without end', async (t) => {
  const { libc, poller, pair, send } = scene(t)
  const { client, server } = pair()
  const into = libc.block(16)
  const ear = new Ear()
  ear.act = () => {
    libc.recv(server, into, 0, 16, 0)
    send(client) // the next edge, at once
  }
  poller.watch(server, ear)
  send(client)
  poller.start()
  let immediates = 0
  while (immediates < 50) {
    await macrotask()
    immediates++
  }
  t.true(ear.heard.length >= 50, 'and the sockets do not wait either')
})
