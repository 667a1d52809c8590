import { readdirSync } from 'node:fs'
import test from 'ava'
import { EAGAIN } from '../../../src/linux/errno.ts'
import type { Libc } from '../../../src/linux/libc.ts'
import { loadLibc } from '../../../src/linux/load-libc.ts'
import { selfTest } from '../../../src/plane/splice/self-test.ts'

function load(): Libc {
  const loaded = loadLibc()
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  return loaded.libc
}

const EPERM = -1
const descriptors = () => readdirSync('/proc/self/fd').length

test.serial('a kernel that does everything passes, and no descriptor is left', (t) => {
  const libc = load()
  t.is(selfTest(libc), null)
  const before = descriptors()
  for (let i = 0; i < 20; i++) t.is(selfTest(libc), null)
  t.is(descriptors(), before)
})

for (const call of [
  'socket',
  'bind',
  'listen',
  'getsockname',
  'accept',
  'send',
  'recv',
  'pipe',
  'splice',
] as const) {
  test.serial(`a kernel that forbids ${call} is found out by name, and no descriptor is left`, (t) => {
    const libc: Libc = { ...load(), [call]: () => EPERM }
    const before = descriptors()
    const obstacle = selfTest(libc)
    t.regex(obstacle ?? 'passed', /EPERM/)
    t.regex(obstacle ?? 'passed', new RegExp(call))
    t.is(descriptors(), before)
  })
}

test.serial('a call that never gets anything done ends the test instead of the program', (t) => {
  const before = descriptors()
  t.regex(selfTest({ ...load(), splice: () => EAGAIN }) ?? 'passed', /nothing happened/)
  t.is(descriptors(), before)
})

test.serial('bytes that come back wrong are found out', (t) => {
  const libc = load()
  const wrong: Libc = {
    ...libc,
    recv(fd, block, offset, length, flags) {
      const count = libc.recv(fd, block, offset, length, flags)
      if (count > 0) block.bytes[offset] = 0
      return count
    },
  }
  t.regex(selfTest(wrong) ?? 'passed', /others/)
})

test.serial('a call that throws is an answer, not a crash', (t) => {
  const libc: Libc = {
    ...load(),
    splice() {
      throw new RangeError('no such memory')
    },
  }
  t.is(selfTest(libc), 'no such memory')
})
