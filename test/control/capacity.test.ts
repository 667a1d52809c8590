import test from 'ava'
import { connectionLimit } from '../../src/control/capacity.ts'

const GiB = 1024 ** 3

test('auto is what the descriptors allow, two for each connection beside the spare ones', (t) => {
  t.is(connectionLimit('auto', { openFiles: 20_000, memoryBytes: 64 * GiB }), 9_872)
})

test('auto is what half of the memory allows where that is less', (t) => {
  t.is(connectionLimit('auto', { openFiles: 1_000_000, memoryBytes: 512 * 1024 * 1024 }), 1_024)
})

test('auto is never zero', (t) => {
  t.is(connectionLimit('auto', { openFiles: 64, memoryBytes: 64 * GiB }), 1)
})

test('a configured limit is taken as it is', (t) => {
  t.is(connectionLimit(7, { openFiles: 20_000, memoryBytes: 64 * GiB }), 7)
})
