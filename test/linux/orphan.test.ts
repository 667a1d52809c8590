import test, { type ExecutionContext } from 'ava'
import type { Orphan } from '../../src/core/orphan.ts'
import { EPOLLIN } from '../../src/linux/constants.ts'
import type { Fd } from '../../src/linux/fd.ts'
import { type Libc, must } from '../../src/linux/libc.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { judgeOrphan } from '../../src/linux/orphan.ts'
import { sockaddrSize, writeSockaddr } from '../../src/linux/sockaddr.ts'

const loaded = loadLibc()
const linux = loaded.kind === 'loaded' ? test : test.skip
const loopback = { family: 4, bytes: Uint8Array.of(127, 0, 0, 1), port: 0 } as const

/** A client, an endpoint, and the two sockets of a relay between them, which the test moves bytes by. */
class Scene {
  readonly libc: Libc
  readonly client: Fd
  readonly downstream: Fd
  readonly upstream: Fd
  readonly endpoint: Fd

  constructor(t: ExecutionContext) {
    if (loaded.kind !== 'loaded') throw new Error(loaded.reason)
    const { libc } = loaded
    this.libc = libc
    const open = this.#connected()
    const beyond = this.#connected()
    this.client = open.dialed
    this.downstream = open.accepted
    this.upstream = beyond.dialed
    this.endpoint = beyond.accepted
    t.teardown(() => {
      for (const fd of [this.client, this.downstream, this.upstream, this.endpoint]) libc.close(fd)
    })
  }

  #connected(): { readonly dialed: Fd; readonly accepted: Fd } {
    const { libc } = this
    const address = libc.block(sockaddrSize)
    const listening = must('socket', libc.socket(4))
    must('bind', libc.bind(listening, address, writeSockaddr(address, loopback)))
    must('listen', libc.listen(listening, 1))
    must('getsockname', libc.getsockname(listening, address))
    const dialed = must('socket', libc.socket(4))
    libc.connect(dialed, address, 16)
    this.#readable(listening)
    const accepted = must('accept', libc.accept(listening, address))
    libc.close(listening)
    return { dialed, accepted }
  }

  /** Waits until something can be read from it. */
  #readable(fd: Fd): void {
    const { libc } = this
    const epoll = must('epoll_create1', libc.epoll())
    const events = libc.block(16)
    must('epoll_ctl', libc.epollAdd(epoll, fd, EPOLLIN, 0, 0))
    must('epoll_wait', libc.epollWait(epoll, events, 5_000))
    libc.close(epoll)
  }

  write(to: Fd, text: string): void {
    const { libc } = this
    const block = libc.block(Math.max(1, text.length))
    block.bytes.set(Buffer.from(text))
    must('send', libc.send(to, block, 0, text.length, 0))
  }

  read(from: Fd, count: number): void {
    this.#readable(from)
    must('recv', this.libc.recv(from, this.libc.block(64), 0, count, 0))
  }

  end(fd: Fd, seenBy: Fd): void {
    must('shutdown', this.libc.shutdownWrite(fd))
    this.#readable(seenBy)
  }

  pair(facts: Partial<Orphan> = {}): Orphan {
    const { downstream, upstream, libc } = this
    const [down, up] = [libc.cookie(downstream), libc.cookie(upstream)]
    if (down === null || up === null) throw new Error('no cookies')
    const cookies = { downstream: down, upstream: up }
    return {
      downstream: downstream.n,
      upstream: upstream.n,
      cookies,
      headerBytes: 0,
      prefaceBytes: 0,
      ...facts,
    }
  }

  kind(facts: Partial<Orphan> = {}): string {
    return judgeOrphan(this.libc, this.pair(facts)).kind
  }
}

linux('a pair that has said nothing is whole', (t) => {
  const scene = new Scene(t)
  t.like(judgeOrphan(scene.libc, scene.pair()), {
    kind: 'whole',
    bytesUp: 0,
    bytesDown: 0,
    upEnded: false,
    downEnded: false,
    idleMs: null,
  })
})

linux('bytes that were read and not passed on make it not whole; unread ones do not', (t) => {
  const scene = new Scene(t)
  scene.write(scene.client, 'hello')
  scene.read(scene.downstream, 2)
  t.is(scene.kind(), 'not-whole')
  scene.write(scene.upstream, 'he')
  const verdict = judgeOrphan(scene.libc, scene.pair())
  t.like(verdict, { kind: 'whole', bytesUp: 2, bytesDown: 0 })
  scene.write(scene.endpoint, 'abc')
  scene.read(scene.upstream, 3)
  t.is(scene.kind(), 'not-whole')
  scene.write(scene.downstream, 'abc')
  t.like(judgeOrphan(scene.libc, scene.pair()), { kind: 'whole', bytesUp: 2, bytesDown: 3 })
})

linux("a header that went ahead, and one that was taken off, are not the client's bytes", (t) => {
  const scene = new Scene(t)
  scene.write(scene.client, 'HEADhello')
  scene.read(scene.downstream, 9)
  scene.write(scene.upstream, 'PROXY!hello')
  t.is(scene.kind(), 'not-whole')
  t.like(judgeOrphan(scene.libc, scene.pair({ headerBytes: 6, prefaceBytes: 4 })), {
    kind: 'whole',
    bytesUp: 5,
  })
})

linux('a FIN that was passed on has been; one that was not has not', (t) => {
  const scene = new Scene(t)
  scene.end(scene.client, scene.downstream)
  t.like(judgeOrphan(scene.libc, scene.pair()), { kind: 'whole', upEnded: false, downEnded: false })
  scene.read(scene.downstream, 1)
  t.like(judgeOrphan(scene.libc, scene.pair()), { kind: 'whole', upEnded: false, bytesUp: 0 })
  scene.end(scene.upstream, scene.endpoint)
  t.like(judgeOrphan(scene.libc, scene.pair()), {
    kind: 'whole',
    upEnded: true,
    downEnded: false,
    bytesUp: 0,
  })
  scene.write(scene.endpoint, 'late')
  scene.read(scene.upstream, 4)
  scene.write(scene.downstream, 'late')
  t.like(judgeOrphan(scene.libc, scene.pair()), { kind: 'whole', upEnded: true, bytesUp: 0, bytesDown: 4 })
})

linux('a FIN that nobody sent us is our own, and the end was near', (t) => {
  const scene = new Scene(t)
  scene.end(scene.downstream, scene.client)
  t.is(scene.kind(), 'not-whole')
})

linux('a socket that was reset is not whole', (t) => {
  const scene = new Scene(t)
  scene.libc.resetOnClose(scene.endpoint)
  scene.libc.close(scene.endpoint)
  t.is(scene.kind(), 'not-whole')
})

linux('two strangers under two old numbers are not the pair, however whole they look', (t) => {
  const scene = new Scene(t)
  const other = new Scene(t)
  const { cookies } = scene.pair()
  t.is(judgeOrphan(other.libc, other.pair()).kind, 'whole')
  t.is(judgeOrphan(other.libc, other.pair({ cookies })).kind, 'not-whole')
  t.is(
    judgeOrphan(other.libc, other.pair({ cookies: { ...other.pair().cookies, upstream: cookies.upstream } }))
      .kind,
    'not-whole',
  )
})

linux('a UNIX socket has no counters', (t) => {
  const scene = new Scene(t)
  const pair = must('socketpair', scene.libc.messagePair())
  const cookie = scene.libc.cookie(pair.ours)
  t.not(cookie, null)
  const cookies = { ...scene.pair().cookies, upstream: cookie ?? 0n }
  t.is(judgeOrphan(scene.libc, scene.pair({ upstream: pair.ours.n, cookies })).kind, 'no-counters')
  scene.libc.close(pair.ours)
  scene.libc.close(pair.theirs)
})
