import { setTimeout as pause } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { MovedSession } from '../../src/core/moved.ts'
import { LiveGiver } from '../../src/handover/live-giver.ts'
import { decodeBatch, encodeBatch } from '../../src/handover/live-message.ts'
import { takeSessions } from '../../src/handover/live-taker.ts'
import { descriptorOf } from '../../src/handover/peer.ts'
import { Fd } from '../../src/linux/fd.ts'
import { must } from '../../src/linux/libc.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { Backend, dialPeer } from '../helpers/peer.ts'
import { seeded } from './conversations.ts'

const loaded = loadLibc()
if (loaded.kind === 'missing') throw new Error(loaded.reason)
const { libc } = loaded
const log = { debug() {}, info() {}, warn() {}, error() {} }
const direction = {
  pipeBytes: 0,
  ours: 0,
  ended: false,
  over: false,
  discard: false,
  finWanted: false,
  finSent: false,
} as const
const wire = {
  unix: false,
  sent: true,
  noDelay: true,
  untilBound: -1,
  finSeen: false,
  urgent: false,
} as const
const timeouts = {
  idleMs: 1,
  halfCloseMs: 1,
  stallMs: 1,
  unackedMs: 1,
  sessionMs: 0,
  keepalive: { idleMs: 1, intervalMs: 1, count: 1 },
}

/** A connection of which nobody relays anything. */
function moved(id: string, descriptors: readonly number[], heldUp = new Uint8Array(0)): MovedSession {
  return {
    facts: {
      id,
      moves: 0,
      crashes: 0,
      listener: 'main',
      pool: 'web',
      endpoint: '127.0.0.1:1',
      client: { ip: '127.0.0.1', port: 1 },
      nobody: false,
      serverName: null,
      attempts: [],
      dialMs: -1,
      ageMs: 1,
      timeouts,
      onRemoval: 'keep',
      relayedMs: 1,
      lifeLeftMs: null,
      counted: false,
      warm: false,
      endedBy: 'admin',
      outlived: false,
      askedMs: null,
      heard: true,
      spent: false,
      firstByteMs: 1,
      movedMs: 1,
      asked: false,
      gatewayMs: 0,
      turns: 0,
    },
    relay: {
      up: direction,
      down: direction,
      downstream: wire,
      upstream: wire,
      bytesUp: 0,
      bytesDown: 0,
      headerBytes: 0,
      prefaceBytes: 0,
      countersAgree: true,
      finishing: false,
      first: null,
      idleMs: 0,
      stuckUpMs: -1,
      stuckDownMs: -1,
      keepalive: false,
    },
    descriptors,
    heldUp,
    heldDown: new Uint8Array(0),
  }
}

/** Connections of a process, and the channel to another one. */
async function scene(t: ExecutionContext, count: number) {
  const backend = await Backend.start()
  const peers = await Promise.all(Array.from({ length: count }, () => dialPeer(backend.port)))
  for (let i = 0; i < count; i++) await backend.accept()
  t.teardown(async () => {
    for (const { socket } of peers) socket.destroy()
    await backend.close()
  })
  const copy = (n: number): number => must('dup', libc.duplicate(n)).n
  const here = peers.map(({ socket }, i) => {
    const other = backend.peers[i]
    if (other === undefined) throw new Error('a connection is missing')
    return moved(`c-${i}`, [copy(descriptorOf(socket).n), copy(descriptorOf(other.socket).n)])
  })
  const all = [...here]
  const back: MovedSession[] = []
  let active = count
  const source = {
    detach: async (most: number) => here.splice(0, most),
    departed(n: number) {
      active -= n
    },
    takeBack: (sessions: readonly MovedSession[]) => void back.push(...sessions),
    get active() {
      return active
    },
  }
  const { ours, theirs } = must('socketpair', libc.messagePair())
  const adopted: MovedSession[] = []
  const adopt = (sessions: readonly MovedSession[]): boolean => {
    adopted.push(...sessions)
    return true
  }
  const release = (sessions: readonly MovedSession[]): void => {
    for (const { descriptors } of sessions) for (const n of descriptors) libc.close(new Fd(n))
  }
  const give = (answerMs?: number) =>
    new LiveGiver({ libc, channel: ours, source, log, ...(answerMs !== undefined && { answerMs }) }).run()
  const take = () => takeSessions({ libc, channel: theirs, adopt, log })
  return { all, here, back, adopted, ours, theirs, give, take, release, source }
}

const idsOf = (sessions: readonly MovedSession[]): string[] => sessions.map(({ facts }) => facts.id).sort()
const isOpen = (n: number): boolean => libc.flags(new Fd(n)) >= 0

test('a batch is read as it was written, and nothing else is one', (t) => {
  const held = Uint8Array.from([1, 2, 3])
  const { bytes, descriptors } = encodeBatch(7, [moved('a', [3, 4], held), moved('b', [5, 6])])
  const batch = decodeBatch(bytes)
  t.deepEqual(descriptors, [3, 4, 5, 6])
  t.deepEqual(
    batch?.sessions.map(({ facts, descriptors, up, down }) => [facts.id, descriptors, up, down]),
    [
      ['a', 2, 3, 0],
      ['b', 2, 0, 0],
    ],
  )
  t.deepEqual([...(batch?.held ?? [])], [1, 2, 3])
  for (let length = 0; length < bytes.length; length++)
    t.is(decodeBatch(bytes.subarray(0, length)), null, `${length} bytes`)
})

test('connections go over with their sockets; the giver closes its own and has none left', async (t) => {
  const { all, adopted, back, give, take, release } = await scene(t, 70)
  const [given, taken] = await Promise.all([give(), take()])
  t.like(given, { kind: 'all', connections: 70, batches: 7 })
  t.like(taken, { connections: 70, refused: 0 })
  t.deepEqual(idsOf(adopted), idsOf(all))
  t.deepEqual(back, [])
  t.true(adopted.every(({ facts, descriptors }) => facts.moves === 1 && descriptors.every(isOpen)))
  release(adopted)
})

test('a taker that is gone has what it has answered; the rest goes on in the giver', async (t) => {
  const { all, here, back, theirs, give, release } = await scene(t, 10)
  const giving = give()
  while (here.length > 7) await pause(1)
  libc.close(theirs)
  t.like(await giving, { kind: 'gone', connections: 0 })
  t.is(back.length, 3)
  t.deepEqual(idsOf([...back, ...here]), idsOf(all))
  t.true([...back, ...here].every(({ descriptors }) => descriptors.every(isOpen)))
  release([...back, ...here])
})

test('a taker that hangs is hung up on, and touches nothing when it comes back', async (t) => {
  const { all, here, back, adopted, give, take, release } = await scene(t, 10)
  t.like(await give(50), { kind: 'hung', connections: 0 })
  t.deepEqual(idsOf([...back, ...here]), idsOf(all))
  t.like(await take(), { connections: 0 })
  t.deepEqual(adopted, [])
  t.true([...back, ...here].every(({ descriptors }) => descriptors.every(isOpen)))
  release([...back, ...here])
})

test('a descriptor that is not what its facts say is refused, and its connection stays', async (t) => {
  const { all, here, back, adopted, give, take, release, source } = await scene(t, 3)
  const [bad] = here
  const listening = await Backend.start()
  t.teardown(() => listening.close())
  const handle: unknown = Reflect.get(listening.server, '_handle')
  const n = typeof handle === 'object' && handle !== null ? Number(Reflect.get(handle, 'fd')) : -1
  here[0] = moved('listens', [must('dup', libc.duplicate(n)).n, bad?.descriptors[1] ?? -1])
  const giving = give()
  const taken = take()
  while (back.length === 0) await pause(1)
  t.deepEqual(idsOf(back), ['listens'])
  source.departed(1) // it has ended in the giver
  t.like(await giving, { kind: 'all', connections: 2 })
  t.like(await taken, { connections: 2, refused: 1 })
  t.deepEqual(idsOf(adopted), ['c-1', 'c-2'])
  release([...adopted, ...back, ...all.slice(0, 1)])
})

test('whenever the giver gives up, each connection has one owner', async (t) => {
  const random = seeded(4)
  for (let round = 0; round < 60; round++) {
    const { all, here, back, adopted, give, take, release } = await scene(t, 12)
    const taking = pause(random() * 6).then(take)
    await give(random() * 8)
    await taking
    t.deepEqual(idsOf([...adopted, ...back, ...here]), idsOf(all))
    t.true([...adopted, ...back, ...here].every(({ descriptors }) => descriptors.every(isOpen)))
    release([...adopted, ...back, ...here])
  }
})
