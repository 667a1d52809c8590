import test from 'ava'
import { unixAddress } from '../../src/linux/unix-address.ts'

test('a path ends with a zero, an abstract name begins with one and has none at its end', (t) => {
  t.deepEqual(unixAddress('/run/a'), Buffer.from('\x01\0/run/a\0', 'latin1'))
  t.deepEqual(unixAddress('@edge'), Buffer.from('\x01\0\0edge', 'latin1'))
})

test('the longest name fits sun_path exactly, a byte more is refused', (t) => {
  t.is(unixAddress(`/${'p'.repeat(106)}`)?.length, 110)
  t.is(unixAddress(`/${'p'.repeat(107)}`), null)
  t.is(unixAddress(`@${'n'.repeat(107)}`)?.length, 110)
  t.is(unixAddress(`@${'n'.repeat(108)}`), null)
})

test('what is neither a path nor an abstract name is no address', (t) => {
  for (const name of ['', '/', '@', 'run/notify', 'vsock:2:1', '/run/\0notify']) t.is(unixAddress(name), null)
})
