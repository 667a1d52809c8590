import { readlinkSync } from 'node:fs'
import { BoundSocket } from 'node:net'
import test from 'ava'
import { closeAbandoned } from '../../src/linux/abandoned.ts'
import { AF_INET, EPOLLET, EPOLLIN, MSG_NOSIGNAL } from '../../src/linux/constants.ts'
import { eventBits, eventHigh, eventLow, eventsIn } from '../../src/linux/epoll-event.ts'
import { EAGAIN, errnoName } from '../../src/linux/errno.ts'
import type { Fd } from '../../src/linux/fd.ts'
import { type Libc, must } from '../../src/linux/libc.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'

const EBADF = -9
const ECONNRESET = -104
const addressSize = 16

function load(open: Uint8Array | null = null): Libc {
  const loaded = loadLibc(open)
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  return loaded.libc
}

/** What descriptor `n` is; null: it is closed. */
function targetOf(n: number): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${n}`)
  } catch {
    return null
  }
}

/** A listening socket and both ends of a connection through it, all of `libc`'s making. */
function connection(libc: Libc): { listening: Fd; client: Fd; server: Fd } {
  const address = libc.block(28)
  address.view.setUint16(0, AF_INET, true)
  address.bytes.set([127, 0, 0, 1], 4)
  const listening = must('socket', libc.socket(4))
  must('bind', libc.bind(listening, address, addressSize))
  must('listen', libc.listen(listening, 8))
  must('getsockname', libc.getsockname(listening, address))
  const client = must('socket', libc.socket(4))
  libc.connect(client, address, addressSize) // on loopback the handshake is over when this returns EINPROGRESS
  return { listening, client, server: must('accept4', libc.accept(listening, address)) }
}

function closeAll(libc: Libc, fds: readonly Fd[]): void {
  for (const fd of fds) libc.close(fd)
}

test('a block refuses every range that is not all inside', (t) => {
  const block = load().block(64)
  const start = block.at(0, 64)
  t.is(block.at(64, 0), start + 64)
  for (const [offset, length] of [
    [0, 65],
    [64, 1],
    [63, 2],
    [-1, 1],
    [1, -1],
  ] as const) {
    t.throws(() => block.at(offset, length), { instanceOf: RangeError }, `${length} at ${offset}`)
  }
})

test('no call reaches the kernel with a range outside its block', (t) => {
  const libc = load()
  const { listening, client, server } = connection(libc)
  const block = libc.block(16)
  t.throws(() => libc.recv(server, block, 8, 9, 0), { instanceOf: RangeError })
  t.throws(() => libc.send(server, block, 0, 17, 0), { instanceOf: RangeError })
  t.throws(() => libc.getpeername(server, block), { instanceOf: RangeError }) // a sockaddr_in6 is 28 bytes
  closeAll(libc, [listening, client, server])
})

test.serial('a descriptor is closed once: its number may by then be another file', (t) => {
  const libc = load()
  const first = must('eventfd', libc.eventfd())
  const { n } = first
  libc.close(first)
  t.is(first.n, -1)
  const second = must('epoll_create1', libc.epoll())
  t.is(second.n, n, 'the kernel gives the lowest free number')
  libc.close(first)
  t.regex(targetOf(n) ?? 'closed', /eventpoll/)
  libc.close(second)
  t.is(libc.send(first, libc.block(1), 0, 1, MSG_NOSIGNAL), EBADF)
})

test('errors have the names of errno', (t) => {
  const libc = load()
  const fd = must('eventfd', libc.eventfd())
  t.is(errnoName(libc.listen(fd, 1)), 'ENOTSOCK')
  t.is(errnoName(EAGAIN), 'EAGAIN')
  t.is(errnoName(ECONNRESET), 'ECONNRESET')
  t.is(errnoName(-4095), 'errno 4095')
  t.throws(() => must('listen', libc.listen(fd, 1)), { message: 'listen: ENOTSOCK' })
  libc.close(fd)
})

test('an eventfd wakes an epoll with the place and generation it was added with', (t) => {
  const libc = load()
  const epoll = must('epoll_create1', libc.epoll())
  const wake = must('eventfd', libc.eventfd())
  const events = libc.block(64)
  must('epoll_ctl', libc.epollAdd(epoll, wake, (EPOLLIN | EPOLLET) >>> 0, 0xfffffffe, 0x80000001))
  t.true(eventsIn(events) >= 4)
  t.is(libc.epollWait(epoll, events, 0), 0)
  libc.raiseEventfd(wake.n)
  libc.raiseEventfd(wake.n)
  t.is(libc.epollWait(epoll, events, 1_000), 1)
  t.is(eventBits(events, 0), EPOLLIN)
  t.is(eventLow(events, 0), 0xfffffffe)
  t.is(eventHigh(events, 0), 0x80000001)
  libc.clearEventfd(wake)
  t.is(libc.epollWait(epoll, events, 0), 0)
  libc.raiseEventfd(wake.n)
  t.is(libc.epollWait(epoll, events, 1_000), 1, 'a cleared eventfd wakes again')
  libc.epollDelete(epoll, wake)
  libc.raiseEventfd(wake.n)
  t.is(libc.epollWait(epoll, events, 0), 0)
  closeAll(libc, [epoll, wake])
})

test('bytes pass through a pipe unchanged, and an empty pipe has nothing', (t) => {
  const libc = load()
  const { listening, client, server } = connection(libc)
  const pipe = libc.pipe()
  if (typeof pipe === 'number') return t.fail(`pipe2: ${errnoName(pipe)}`)
  t.true(libc.setPipeSize(pipe.write, 64 * 1024) >= 64 * 1024)
  const block = libc.block(4096)
  for (let i = 0; i < block.size; i++) block.bytes[i] = i % 251
  const sent = Buffer.from(block.bytes)
  t.is(libc.splice(pipe.read, server, 4096), EAGAIN)
  t.is(libc.send(client, block, 0, 4096, MSG_NOSIGNAL), 4096)
  t.is(libc.splice(server, pipe.write, 65_536), 4096)
  t.is(libc.splice(server, pipe.write, 65_536), EAGAIN)
  t.is(libc.splice(pipe.read, server, 65_536), 4096)
  block.bytes.fill(0)
  t.is(libc.recv(client, block, 0, 4096, 0), 4096)
  t.deepEqual(Buffer.from(block.bytes), sent)
  libc.shutdownWrite(client)
  t.is(libc.splice(server, pipe.write, 65_536), 0, 'the end is 0')
  closeAll(libc, [listening, client, server, pipe.read, pipe.write])
})

test('the table marks what is open, and only that', (t) => {
  const open = new Uint8Array(20_000)
  const libc = load(open)
  const { listening, client, server } = connection(libc)
  const pipe = libc.pipe()
  if (typeof pipe === 'number') return t.fail(`pipe2: ${errnoName(pipe)}`)
  const duplicate = must('fcntl', libc.duplicate(listening.n))
  const fds = [listening, client, server, pipe.read, pipe.write, duplicate]
  const marked = () => [...open.keys()].filter((n) => open[n] === 1)
  t.deepEqual(
    marked(),
    fds.map(({ n }) => n).sort((a, b) => a - b),
  )
  closeAll(libc, fds)
  t.deepEqual(marked(), [])
})

test('what a dead thread has left is closed: its sockets are reset, a shared listening socket lives on', (t) => {
  const open = new Uint8Array(20_000)
  const dead = load(open)
  const main = load()
  const bound = new BoundSocket({ host: '127.0.0.1' })
  const lent = must('fcntl', main.duplicate(bound.fd()))
  dead.adopt(lent)
  must('listen', dead.listen(lent, 8))
  const port = Number(bound.address().port)
  const address = main.block(28)
  address.view.setUint16(0, AF_INET, true)
  address.view.setUint16(2, port)
  address.bytes.set([127, 0, 0, 1], 4)
  const client = must('socket', main.socket(4))
  main.connect(client, address, addressSize)
  const accepted = must('accept4', dead.accept(lent, main.block(28)))
  const queued = must('socket', main.socket(4))
  main.connect(queued, address, addressSize)
  const pipe = dead.pipe()
  if (typeof pipe === 'number') return t.fail(`pipe2: ${errnoName(pipe)}`)

  t.is(closeAbandoned(main, open), 4)

  t.is(open.indexOf(1), -1)
  for (const { n } of [lent, accepted, pipe.read, pipe.write]) t.is(targetOf(n), null, `${n} is open`)
  const byte = main.block(1)
  t.is(main.recv(client, byte, 0, 1, 0), ECONNRESET, 'its connection is reset, not ended')
  t.is(main.recv(queued, byte, 0, 1, 0), EAGAIN, 'what waits in the queue waits on')
  const successor = must('fcntl', main.duplicate(bound.fd()))
  const taken = must('accept4', main.accept(successor, main.block(28)))
  main.close(taken)
  t.is(main.recv(queued, byte, 0, 1, 0), 0, 'what is accepted later does not inherit the reset')
  t.is(closeAbandoned(main, open), 0)
  closeAll(main, [client, queued, successor])
  bound.close()
})
