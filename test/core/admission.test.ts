import test from 'ava'
import { type SocketAddress, socketAddress } from '../../src/core/address.ts'
import { type Admission, admitClient, admitPeer, type PeerVerdict } from '../../src/core/admission.ts'
import { parseCidr } from '../../src/core/cidr.ts'
import { type PerSourceLimit, PerSourceTable } from '../../src/core/per-source.ts'
import { compileRanges, type Ranges } from '../../src/core/ranges.ts'

function ranges(...texts: readonly string[]): Ranges {
  return compileRanges(
    texts.map((text) => {
      const parsed = parseCidr(text)
      if (parsed.kind === 'bad') throw new Error(text)
      return parsed.cidr
    }),
  )
}

function ip(text: string): SocketAddress {
  const address = socketAddress(text, 1)
  if (address === undefined) throw new Error(text)
  return address
}

const open: Admission = { listener: 1, header: null, allow: null, deny: null, perSource: null }
const one: PerSourceLimit = { connections: 1, perSecond: null, prefix4: 32, prefix6: 64, dryRun: false }

function said(verdict: PeerVerdict): string {
  switch (verdict.kind) {
    case 'admitted':
      return verdict.note === null ? 'admitted' : `admitted, ${verdict.note}`
    case 'header':
      return 'header'
    case 'refused':
      return verdict.exceeded === null ? verdict.reason : `${verdict.reason} ${verdict.exceeded}`
  }
}

/** A listener, and who comes to it. */
class Door {
  readonly table = new PerSourceTable(1, 1, 4711)
  readonly #admission: Admission

  constructor(admission: Partial<Admission>) {
    this.#admission = { ...open, ...admission }
  }

  peer(client: string): string {
    return said(admitPeer(this.#admission, this.table, ip(client), 0))
  }

  client(client: string | null): string {
    return said(admitClient(this.#admission, this.table, client === null ? null : ip(client), 0))
  }
}

test('nginx stream_access: allow all, deny all', (t) => {
  for (const client of ['127.0.0.1', '::1']) {
    t.is(new Door({ allow: ranges('0.0.0.0/0', '::/0') }).peer(client), 'admitted')
    t.is(new Door({ deny: ranges('0.0.0.0/0', '::/0') }).peer(client), 'denied')
    t.is(new Door({}).peer(client), 'admitted')
  }
})

test('nginx stream_access: deny inet, deny inet6', (t) => {
  const inet = new Door({ deny: ranges('127.0.0.1') })
  t.deepEqual([inet.peer('127.0.0.1'), inet.peer('::1')], ['denied', 'admitted'])
  const inet6 = new Door({ deny: ranges('::1') })
  t.deepEqual([inet6.peer('127.0.0.1'), inet6.peer('::1')], ['admitted', 'denied'])
})

test('deny wins over allow, and an allow list turns away the rest', (t) => {
  const door = new Door({ allow: ranges('10.0.0.0/8'), deny: ranges('10.1.0.0/16') })
  t.deepEqual(
    ['10.0.0.1', '10.1.0.1', '192.0.2.1', '::1'].map((client) => door.peer(client)),
    ['admitted', 'denied', 'denied', 'denied'],
  )
})

test('an empty deny list denies nobody, an empty allow list everybody', (t) => {
  t.is(new Door({ deny: ranges() }).peer('192.0.2.1'), 'admitted')
  t.is(new Door({ allow: ranges() }).peer('192.0.2.1'), 'denied')
})

test('a limit of one source refuses that source', (t) => {
  const door = new Door({ perSource: one })
  t.deepEqual(
    ['192.0.2.1', '192.0.2.1', '192.0.2.2'].map((client) => door.peer(client)),
    ['admitted', 'per-source connections', 'admitted'],
  )
})

test('a dry run admits, and says what it would have done', (t) => {
  const door = new Door({ perSource: { ...one, perSecond: 1, dryRun: true, connections: null } })
  t.deepEqual([door.peer('192.0.2.1'), door.peer('192.0.2.1')], ['admitted', 'admitted, rate'])
})

test('who is denied is not counted', (t) => {
  const door = new Door({ perSource: one, deny: ranges('192.0.2.1') })
  t.is(door.peer('192.0.2.1'), 'denied')
  const later = new Door({ perSource: one })
  t.is(said(admitPeer({ ...open, perSource: one }, door.table, ip('192.0.2.1'), 0)), 'admitted')
  t.is(later.peer('192.0.2.1'), 'admitted')
})

const balancers = { from: ranges('10.0.0.0/8'), others: 'refuse' } as const

test('a balancer has to send a header, whatever the lists of clients say of it', (t) => {
  const door = new Door({ header: balancers, allow: ranges('192.0.2.0/24'), perSource: one })
  t.deepEqual([door.peer('10.0.0.1'), door.peer('10.0.0.1')], ['header', 'header'])
})

test('a balancer that is denied sends nothing', (t) => {
  t.is(new Door({ header: balancers, deny: ranges('10.0.0.1') }).peer('10.0.0.1'), 'denied')
})

test('behind a balancer lists and limits are about the client', (t) => {
  const door = new Door({
    header: balancers,
    allow: ranges('192.0.2.0/24', '10.0.0.0/8'),
    deny: ranges('192.0.2.66'),
    perSource: one,
  })
  t.deepEqual(
    ['192.0.2.1', '192.0.2.1', '192.0.2.66', '198.51.100.1', '::ffff:192.0.2.66'].map((client) =>
      door.client(client),
    ),
    ['admitted', 'per-source connections', 'denied', 'denied', 'denied'],
  )
})

test('a header that names nobody passes by allow and the limit of one source', (t) => {
  const door = new Door({
    header: balancers,
    allow: ranges(),
    deny: ranges('0.0.0.0/0', '::/0'),
    perSource: one,
  })
  t.deepEqual([door.client(null), door.client(null)], ['admitted', 'admitted'])
})

test('nginx stream_realip, no match: other peers are refused', (t) => {
  t.is(new Door({ header: balancers }).peer('192.0.2.1'), 'proxy-header')
  t.is(new Door({ header: { ...balancers, from: ranges('::1') } }).peer('127.0.0.1'), 'proxy-header')
})

test('or come as themselves, once through everything', (t) => {
  const header = { ...balancers, others: 'direct' } as const
  const door = new Door({ header, deny: ranges('192.0.2.66'), perSource: one })
  t.deepEqual(
    ['192.0.2.66', '192.0.2.1', '192.0.2.1'].map((client) => door.peer(client)),
    ['denied', 'admitted', 'per-source connections'],
  )
})

test('what is counted is released at its end', (t) => {
  const table = new PerSourceTable(1, 1, 4711)
  const admission = { ...open, perSource: one }
  const first = admitPeer(admission, table, ip('192.0.2.1'), 0)
  t.true(first.kind === 'admitted' && first.entry !== null)
  if (first.kind === 'admitted' && first.entry !== null) table.release(first.entry)
  t.is(said(admitPeer(admission, table, ip('192.0.2.1'), 0)), 'admitted')
})
