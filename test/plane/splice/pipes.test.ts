import { readlinkSync } from 'node:fs'
import test from 'ava'
import type { Libc } from '../../../src/linux/libc.ts'
import { loadLibc } from '../../../src/linux/load-libc.ts'
import { type Pipe, Pipes, pipeBytes } from '../../../src/plane/splice/pipes.ts'

function load(): Libc {
  const loaded = loadLibc()
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  return loaded.libc
}

/** A pool over `libc`, its gauges, a clock that the test sets, and a way to close all that it made. */
function pool(libc: Libc, budgetBytes: number) {
  const gauges = { used: 0, idle: 0 }
  const time = { nowMs: 0 }
  const pipes = new Pipes(
    libc,
    budgetBytes,
    () => time.nowMs,
    (used, idle) => Object.assign(gauges, { used, idle }),
  )
  const take = (): Pipe => {
    const pipe = pipes.take()
    if (pipe === null) throw new Error('there is no pipe')
    return pipe
  }
  return { pipes, gauges, time, take }
}

function close(libc: Libc, ...pipes: readonly Pipe[]): void {
  for (const { read, write } of pipes) {
    libc.close(read)
    libc.close(write)
  }
}

test('a budget is how many pipes there are, and a pipe that is given back is used again', (t) => {
  const libc = load()
  const { pipes, gauges, take } = pool(libc, 2 * pipeBytes + 1)
  const [first, second] = [take(), take()]
  t.is(pipes.take(), null)
  t.deepEqual(gauges, { used: 2, idle: 0 })
  pipes.give(first)
  t.deepEqual(gauges, { used: 1, idle: 1 })
  t.is(take(), first)
  t.deepEqual(gauges, { used: 2, idle: 0 })
  close(libc, first, second)
})

test('a pipe that holds data is closed, never given to the next connection', (t) => {
  const libc = load()
  const { pipes, gauges, take } = pool(libc, pipeBytes)
  const stained = take()
  const { n } = stained.read
  pipes.discard(stained)
  t.is(stained.read.n, -1)
  t.is(stained.write.n, -1)
  t.notRegex(linkOf(n), /^pipe:/)
  t.deepEqual(gauges, { used: 0, idle: 0 })
  const next = take()
  t.not(next, stained)
  close(libc, next)
})

test('without a budget no pipe is made', (t) => {
  const { pipes, gauges } = pool(load(), pipeBytes - 1)
  t.is(pipes.take(), null)
  t.deepEqual(gauges, { used: 0, idle: 0 })
})

test('a pipe that the kernel keeps small is closed, and nobody asks again for ten seconds', (t) => {
  const libc = load()
  const made: Pick<Pipe, 'read' | 'write'>[] = []
  let refuse = true
  const stingy: Libc = {
    ...libc,
    pipe() {
      const pipe = libc.pipe()
      if (typeof pipe !== 'number') made.push(pipe)
      return pipe
    },
    setPipeSize: (fd, bytes) => (refuse ? -1 : libc.setPipeSize(fd, bytes)), // EPERM
  }
  const { pipes, gauges, time, take } = pool(stingy, 4 * pipeBytes)
  t.is(pipes.take(), null)
  t.is(pipes.take(), null)
  t.is(made.length, 1, 'the second take() did not ask')
  t.deepEqual(
    made.map(({ read, write }) => [read.n, write.n]),
    [[-1, -1]],
  )
  t.deepEqual(gauges, { used: 0, idle: 0 })
  refuse = false
  time.nowMs = 9_999
  t.is(pipes.take(), null)
  time.nowMs = 10_000
  const pipe = take()
  t.deepEqual(gauges, { used: 1, idle: 0 })
  close(libc, pipe)
})

test('out of descriptors there is no pipe, and what is idle is still given out', (t) => {
  const libc = load()
  let short = false
  const { pipes, take } = pool({ ...libc, pipe: () => (short ? -24 : libc.pipe()) }, 4 * pipeBytes)
  const pipe = take()
  pipes.give(pipe)
  short = true
  t.is(pipes.take(), pipe)
  t.is(pipes.take(), null)
  close(libc, pipe)
})

function linkOf(n: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${n}`)
  } catch {
    return 'closed'
  }
}
