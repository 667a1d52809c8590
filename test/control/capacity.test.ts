import test from 'ava'
import { capacityWarning, connectionLimit, warmRoom } from '../../src/control/capacity.ts'

const GiB = 1024 ** 3

test('auto is what the descriptors allow, two for each connection beside the spare ones', (t) => {
  t.is(connectionLimit('auto', { openFiles: 20_000, memoryBytes: 64 * GiB }), 9_872)
})

test('auto is what half of the memory allows where that is less', (t) => {
  t.is(connectionLimit('auto', { openFiles: 1_000_000, memoryBytes: GiB }), 1_024)
})

test('auto is never zero', (t) => {
  t.is(connectionLimit('auto', { openFiles: 64, memoryBytes: 64 * GiB }), 1)
})

test('a configured limit is taken as it is', (t) => {
  t.is(connectionLimit(7, { openFiles: 20_000, memoryBytes: 64 * GiB }), 7)
})

test('what is configured never goes beyond the descriptors, and the warning says what to set', (t) => {
  const machine = { openFiles: 1_024, memoryBytes: 64 * GiB }
  t.is(connectionLimit(20_000, machine), 384)
  t.is(
    capacityWarning(20_000, machine),
    'this process may open 1024 descriptors, so it takes 384 connections at most: ' +
      'set LimitNOFILE=40256 (systemd) or ulimit -n 40256, or lower limits.connections',
  )
  t.is(capacityWarning(300, machine), null)
})

test('with auto, few descriptors are worth a warning', (t) => {
  t.regex(
    capacityWarning('auto', { openFiles: 1_024, memoryBytes: GiB }) ?? '',
    /takes 384 connections at most/,
  )
  t.is(capacityWarning('auto', { openFiles: 20_000, memoryBytes: GiB }), null)
})

test('connections that wait for clients take their descriptors from the clients, a quarter at most', (t) => {
  const machine = { openFiles: 20_256, memoryBytes: 64 * GiB }
  t.is(warmRoom(machine), 5_000)
  t.is(connectionLimit('auto', machine, 0), 10_000)
  t.is(connectionLimit('auto', machine, 1_000), 9_500)
  t.is(connectionLimit('auto', machine, 50_000), 7_500)
})
