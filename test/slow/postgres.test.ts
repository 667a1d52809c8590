import { Forwarder } from '../helpers/forwarder.ts'
import { places, postgresMissing, psql, startPostgres, startup } from '../real/postgres.ts'
import { crowd, guest, inTurn } from '../real/turned-away.ts'
import { onWays } from '../real/ways.ts'

const test = onWays({ missing: postgresMissing(), start: startPostgres, server: 'one' })

test('sslmode=prefer logs in with TLS, sslmode=disable without', async (t, { port }) => {
  const tls = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
  t.deepEqual(await psql(port, 'sslmode=prefer', tls), { out: 't\n', err: '', code: 0, signal: null })
  t.deepEqual(await psql(port, 'sslmode=disable', tls), { out: 'f\n', err: '', code: 0, signal: null })
})

for (const mode of ['prefer', 'disable'] as const) {
  test(`a result of 5 MB is as it was, sslmode=${mode}`, async (t, { port }) => {
    const block = 'c4ca4238a0b923820dcc509a6f75849b' // MD5 of 1
    const { out, err } = await psql(port, `sslmode=${mode}`, "SELECT repeat(md5('1'), 163840)")
    t.is(err, '')
    t.true(out === `${block.repeat(163_840)}\n`, `${out.length} bytes`)
  })
}

test('an unknown user is refused in its own words', async (t, { port }) => {
  const { code, err } = await psql(port, 'user=nobody')
  t.is(code, 2)
  t.regex(err, /FATAL: {2}role "nobody" does not exist$/m)
})

/** ErrorResponse of the protocol: severity twice, SQLSTATE 53300, the message. */
const refusal = /^E\0\0\0.SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0.*\0\0, then fin$/s

test('when all places are taken a client is told so, 50 of 50, and the end is a FIN', async (t, {
  server,
  port,
}) => {
  for (let place = 0; place < places; place++) {
    const peer = await guest(t, server.port)
    await peer.write(startup('app'))
    t.is((await peer.read(1)).toString(), 'R')
  }
  const told = await inTurn(port, startup('app').toString('latin1'))
  t.deepEqual(Object.values(told), [crowd])
  t.regex(Object.keys(told)[0] ?? '', refusal)
  t.regex((await psql(port, 'sslmode=prefer')).err, /FATAL: {2}sorry, too many clients already$/m)
})

test(
  'a session that is silent for 10 s goes on',
  async (t, { port }) => {
    const said = await psql(port, 'sslmode=prefer', 'SELECT 1', '\\! sleep 10', 'SELECT 2')
    t.deepEqual(said, { out: '1\n2\n', err: '', code: 0, signal: null })
  },
  // All that would end it, many times over, if it were taken for half closed, stuck or gone.
  {
    timeouts: {
      halfCloseMs: 500,
      stallMs: 500,
      keepalive: { idleMs: 1000, intervalMs: 1000, count: 2 },
    },
  },
)

test('tcp probes leave no line in its log, however they end', async (t, { server, way }) => {
  const from = server.program.lines.length
  for (const close of ['fin', 'reset'] as const) {
    const probe = { kind: 'tcp', port: null, close } as const
    const health = { probe, intervalMs: 10, fastIntervalMs: 10, timeoutMs: 1_000, fall: 3, rise: 2 }
    const plane = way === 'direct' ? 'auto' : way
    const forwarder = await Forwarder.start({
      plane,
      endpoints: [server.port],
      pool: { health },
      probe: true,
    })
    const probes = () => forwarder.metric('spliceway_health_checks_total{result="success"}')
    while ((await probes()) < 20) await new Promise((resolve) => setTimeout(resolve, 10))
    await forwarder.close()
  }
  // A login is logged: what came before it would have been by now.
  await psql(server.port, 'application_name=last', 'SELECT 1')
  await server.program.line(/application_name=last/, from)
  const strange = server.program.lines.slice(from).filter((line) => /could not|invalid|incomplete/.test(line))
  t.deepEqual(strange, [])
})
