import test from 'ava'
import { ServerFirst, serverFirstText } from '../../src/control/server-first.ts'
import { endpoint, pool } from '../core/balance-fixture.ts'

const warm = { connections: 4, maxAgeMs: 25_000 }
const mail = { ...pool('p2c', [endpoint(0)], 'mail'), warm }
const web = { ...pool('p2c', [endpoint(1)], 'web'), warm }

test('a pool whose endpoint spoke first is published without warm, and others as they are', (t) => {
  const serverFirst = new ServerFirst()
  t.true(serverFirst.heard(mail))
  t.deepEqual(serverFirst.apply([mail, web]), [{ ...mail, warm: null }, web])
  t.deepEqual(serverFirst.apply([{ ...mail, warm: { ...warm } }]), [{ ...mail, warm: null }])
})

test('it is news once: a late word about a pool that is published without warm is none', (t) => {
  const serverFirst = new ServerFirst()
  t.true(serverFirst.heard(mail))
  const [published = mail] = serverFirst.apply([mail])
  t.false(serverFirst.heard(published))
})

test('a change of warm tries again', (t) => {
  const serverFirst = new ServerFirst()
  serverFirst.heard(mail)
  const changed = { ...mail, warm: { ...warm, connections: 5 } }
  t.deepEqual(serverFirst.apply([changed]), [changed])
  t.deepEqual(serverFirst.apply([mail]), [mail])
})

test('the message names pool and endpoint, how soon it spoke, and both reasons there can be', (t) => {
  t.is(
    serverFirstText('mail', '10.0.0.5:25', 3.2, 25_000),
    'pool mail: warm connections are off: endpoint 10.0.0.5:25 sent something on a connection that nobody had used, ' +
      '3ms after it was opened. Its protocol lets the server speak first, or it gives clients less time than ' +
      'warm.maxAge (25s). Leave warm out; changing it tries again',
  )
})
