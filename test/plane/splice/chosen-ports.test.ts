import test from 'ava'
import { type LocalPorts, readLocalPorts } from '../../../src/linux/local-ports.ts'
import { ChosenPorts } from '../../../src/plane/splice/chosen-ports.ts'

test('the range that this kernel tells is a range of ports', (t) => {
  const { least = 0, most = 0 } = readLocalPorts() ?? {}
  t.true(least > 0 && least <= most && most < 65_536)
})

test('a file that is not there, or says something else, tells nothing', (t) => {
  t.is(readLocalPorts('/proc/no such file'), null)
  t.is(readLocalPorts('/proc/version'), null)
})

test('both ends of the range may be chosen, and their neighbours not', (t) => {
  const ports = new ChosenPorts(
    () => ({ least: 32_768, most: 60_999 }),
    () => 0,
  )
  t.deepEqual(
    [32_767, 32_768, 60_999, 61_000].map((port) => ports.has(port)),
    [false, true, true, false],
  )
})

test('where nobody knows the range, any port may be chosen', (t) => {
  const ports = new ChosenPorts(
    () => null,
    () => 0,
  )
  t.true(ports.has(80))
})

test('a range that changes is known within a second, and is not read for every dial', (t) => {
  let nowMs = 0
  let reads = 0
  let range: LocalPorts = { least: 32_768, most: 60_999 }
  const ports = new ChosenPorts(
    () => {
      reads++
      return range
    },
    () => nowMs,
  )
  t.false(ports.has(8080))
  range = { least: 1024, most: 60_999 }
  nowMs = 999
  t.false(ports.has(8080))
  t.is(reads, 1)
  nowMs = 1_000
  t.true(ports.has(8080))
})
