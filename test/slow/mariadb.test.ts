import { asRoot, mariadbMissing, places, query, startMariadb } from '../real/mariadb.ts'
import { crowd, guest, inTurn } from '../real/turned-away.ts'
import { onWays } from '../real/ways.ts'

const test = onWays({ missing: mariadbMissing(), start: startMariadb, server: 'one' })

test('a login and a query', async (t, { port }) => {
  const said = await query(port, 'SELECT CURRENT_USER(), 6 * 7')
  t.deepEqual(said, { out: 'app@%\t42\n', err: '', code: 0, signal: null })
})

test('a wrong password is refused in its own words', async (t, { port }) => {
  const { code, err } = await query(port, 'SELECT 1', '127.0.0.1', 'wrong')
  t.is(code, 1)
  t.regex(err, /^ERROR 1045 \(28000\).*: Access denied for user 'app'@'localhost' \(using password: YES\)$/m)
})

test('a result of 5 MB is as it was', async (t, { port }) => {
  const block = 'c4ca4238a0b923820dcc509a6f75849b' // MD5 of 1
  const { out, err } = await query(port, "SELECT REPEAT(MD5('1'), 163840)")
  t.is(err, '')
  t.true(out === `${block.repeat(163_840)}\n`, `${out.length} bytes`)
})

/** A packet of 23 bytes in the place of the greeting: ERR, and 1040 for ER_CON_COUNT_ERROR. */
const refusal = `${Buffer.from([23, 0, 0, 0, 0xff, 0x10, 0x04]).toString('latin1')}Too many connections`

test('when all places are taken a client is told so, 50 of 50, and the end is a FIN', async (t, {
  server,
  port,
}) => {
  // One more may come, so that an administrator gets in; a greeted connection has a place.
  for (let place = 0; place <= places; place++) await (await guest(t, server.port)).read(4)
  t.deepEqual(await inTurn(port, null), { [`${refusal}, then fin`]: crowd })
  t.regex((await query(port, 'SELECT 1')).err, /\b1040\b.*Too many connections$/m)
})

test(
  'a session that is silent for 10 s goes on',
  async (t, { server, port }) => {
    await asRoot(server, 'SET GLOBAL max_connections = 100')
    t.deepEqual(await query(port, 'SELECT SLEEP(10); SELECT 1'), {
      out: '0\n1\n',
      err: '',
      code: 0,
      signal: null,
    })
  },
  // All that would end it, many times over, if it were taken for half closed, stuck or gone.
  { timeouts: { halfCloseMs: 500, stallMs: 500, keepalive: { idleMs: 1000, intervalMs: 1000, count: 2 } } },
)
