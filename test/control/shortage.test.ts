import test from 'ava'
import { watchShortage } from '../../src/control/shortage.ts'
import { FakeClock, RecordedLog } from './fixture.ts'

function scene() {
  const clock = new FakeClock()
  const log = new RecordedLog()
  const state = { rejected: 0, refused: 0, waiting: false, own: { rejected: 0, waiting: false } }
  const shortage = watchShortage({
    log,
    after: clock.after,
    limits: () => [
      {
        whose: 'the program',
        connections: 100,
        limitedBy: 'limits.connections',
        rejected: state.rejected,
        waiting: state.waiting,
      },
      { whose: 'listener https', connections: 20, limitedBy: 'maxConnections', ...state.own },
    ],
    refused: () => state.refused,
    nameOf: (slot) => `pool web: endpoint ${slot}`,
    transparent: (slot) => slot === 7,
  })
  return { clock, log, state, shortage }
}

test('a limit is said once, and once more when it is over, with how many were turned away', (t) => {
  const { clock, log, state } = scene()
  for (let i = 0; i < 5; i++) {
    state.rejected += 10
    clock.advance(1_000)
  }
  const [said, ...more] = log.take()
  t.regex(
    said ?? '',
    /^error the program: its connection limit is reached: .*reset \(limit 100, by limits\.connections\)/,
  )
  t.deepEqual(more, [])
  clock.advance(20_000)
  t.deepEqual(log.take(), ['info the program: below its connection limit again (50 connections were reset)'])
})

test('connections that this host had no room for are not put down to a limit', (t) => {
  const { clock, log, state } = scene()
  state.refused += 3
  clock.advance(1_000)
  const [said, ...more] = log.take()
  t.regex(said ?? '', /^error this host has no descriptor or no memory .*max_user_watches/)
  t.deepEqual(more, [])
  clock.advance(20_000)
  t.deepEqual(log.take(), ['info connections are taken again (3 were reset)'])
})

test('a shortage of local ports names the endpoint and the sysctls, once per endpoint', (t) => {
  const { clock, log, shortage } = scene()
  const error = { reason: 'ports-exhausted', code: 'EADDRNOTAVAIL' } as const
  for (let i = 0; i < 3; i++) shortage.attempt({ slot: 1, ms: 0, error })
  shortage.attempt({ slot: 2, ms: 0, error })
  const lines = log.take()
  t.is(lines.length, 2)
  t.regex(
    lines[0] ?? '',
    /pool web: endpoint 1: no local port is free \(EADDRNOTAVAIL\).*ip_local_port_range/,
  )
  clock.advance(20_000)
  t.is(log.take().length, 2)
})

test('descriptors that ran out are said with what to raise; faults of endpoints are none of its business', (t) => {
  const { clock, log, shortage } = scene()
  shortage.attempt({ slot: 1, ms: 0, error: { reason: 'refused', code: 'ECONNREFUSED' } })
  t.deepEqual(log.take(), [])
  shortage.attempt({ slot: 1, ms: 0, error: { reason: 'local', code: 'EMFILE' } })
  t.regex(log.take()[0] ?? '', /cannot open connections \(EMFILE\): raise LimitNOFILE=/)
  clock.advance(20_000)
  shortage.stop()
  t.is(clock.pending, 0)
})

test('a plane that leaves connections in the backlog says so once', (t) => {
  const { clock, log, state } = scene()
  state.waiting = true
  clock.advance(3_000)
  const lines = log.take()
  t.is(lines.length, 1)
  t.regex(lines[0] ?? '', /^error the program: .*: new connections wait in the backlog \(limit 100, /)
  state.waiting = false
  clock.advance(20_000)
  t.regex(log.take()[0] ?? '', /below its connection limit again \(connections waited for about 3 s\)/)
})

test('the limit of a listener is told by its name, beside that of the program', (t) => {
  const { clock, log, state } = scene()
  state.own = { rejected: 3, waiting: false }
  state.waiting = true
  clock.advance(1_000)
  const lines = log.take()
  t.is(lines.length, 2)
  t.regex(lines[0] ?? '', /^error the program: its connection limit is reached: new connections wait/)
  t.regex(
    lines[1] ?? '',
    /^error listener https: .*: new connections are reset \(limit 20, by maxConnections\)/,
  )
  state.waiting = false
  clock.advance(20_000)
  t.deepEqual(log.take().toSorted(), [
    'info listener https: below its connection limit again (3 connections were reset)',
    'info the program: below its connection limit again (connections waited for about 1 s)',
  ])
})

test("of a transparent pool, a client's ports and addresses are told apart from this host's", (t) => {
  const { clock, log, shortage } = scene()
  shortage.attempt({ slot: 7, ms: 1, error: { reason: 'ports-exhausted', code: 'EADDRNOTAVAIL' } })
  shortage.attempt({ slot: 7, ms: 1, error: { reason: 'local', code: 'EINVAL' } })
  shortage.attempt({ slot: 7, ms: 1, error: { reason: 'local', code: 'EMFILE' } })
  const [ports, client, files] = log.take()
  t.regex(ports ?? '', /^error pool web: endpoint 7: a client has no port left \(EADDRNOTAVAIL\)/)
  t.regex(
    client ?? '',
    /^error pool web: endpoint 7: a connection cannot begin at the client's address \(EINVAL\)/,
  )
  t.regex(files ?? '', /^error this process cannot open connections \(EMFILE\)/)
  clock.advance(20_000)
  t.is(log.take().length, 3, 'and each is over')
})
