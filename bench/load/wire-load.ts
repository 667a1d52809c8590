import { type SocketAddress, socketAddress } from '../../src/core/address.ts'
import { answering } from '../harness/answering.ts'
import type { Answer, Question } from '../harness/children.ts'
import { freeServerPort } from '../harness/listening.ts'
import { Latencies } from './latencies.ts'
import { Loop } from './loop.ts'
import { answerSize, bodySize, headSize } from './messages.ts'
import { type Steps, share, WireClient } from './wire-client.ts'
import { type Manner, WireServer } from './wire-server.ts'

// Client and backend of the small exchanges in one process and one loop: as little of the load's core as there can be.
// Answers with what was done, how long it took, and latencies.
const loop = new Loop()
const shared = share(loop)
const latencies = new Latencies()
const server = new WireServer(loop, address('0.0.0.0', freeServerPort('0.0.0.0')))
/** For connections of the last run to go. */
const settleMs = 200
/** Longer without a word than this, and something is stuck. */
const patienceMs = 5_000
answering({ port: server.port }, (question) => {
  latencies.clear()
  server.manner = manners[String(question.mode)] ?? 'answers'
  const answer = modes[String(question.mode)]?.(
    question,
    address(String(question.host), Number(question.port)),
  )
  if (answer === undefined) throw new Error(`there is no mode ${question.mode}`)
  turnUntil(() => server.open === 0, settleMs)
  return answer
})

type Mode = (question: Question, target: SocketAddress) => Answer
const modes: Readonly<Record<string, Mode>> = {
  churn,
  'keep-alive': keepAlive,
  paced,
  banner,
  'two-writes': twoWrites,
}
const manners: Readonly<Record<string, Manner>> = { banner: 'greets', 'two-writes': 'halves' }

/** A connection a request, `connections` at once; the server ends each. */
function churn({ seconds, connections }: Question, target: SocketAddress): Answer {
  const startMs = performance.now()
  const endMs = startMs + Number(seconds) * 1000
  const tally = { count: 0, failed: 0, open: 0 }
  const begin = (): void => {
    tally.open++
    new WireClient(shared, target, steps)
  }
  const steps: Steps = {
    connected: (client) => client.askLast(),
    answered: () => {
      tally.count++
    },
    ended(client, failed) {
      tally.open--
      if (failed) tally.failed++
      const nowMs = performance.now()
      latencies.add(nowMs - client.sinceMs)
      if (nowMs < endMs) begin()
    },
  }
  for (let i = 0; i < Number(connections); i++) begin()
  finish(() => tally.open === 0, endMs)
  return summary(tally, startMs)
}

/** `connections` that stay, each with one request at a time. */
function keepAlive({ seconds, connections }: Question, target: SocketAddress): Answer {
  const clients = connected(Number(connections), target, (client) => {
    const nowMs = performance.now()
    tally.count++
    latencies.add(nowMs - client.sinceMs)
    client.sinceMs = nowMs
    if (nowMs < endMs) client.ask()
    else tally.open--
  })
  const tally = { count: 0, failed: 0, open: clients.length }
  const startMs = performance.now()
  const endMs = startMs + Number(seconds) * 1000
  for (const client of clients) {
    client.sinceMs = startMs
    client.ask()
  }
  finish(() => tally.open === 0, endMs)
  const answer = summary(tally, startMs)
  for (const client of clients) client.close()
  return answer
}

/** `rate` requests a second over connections that stay. A latency begins when the request was due, not when it was sent. */
function paced({ seconds, connections, rate }: Question, target: SocketAddress): Answer {
  const clients = connected(Number(connections), target, (client) => {
    tally.count++
    tally.open--
    latencies.add(performance.now() - client.sinceMs)
    free.push(client)
  })
  const tally = { count: 0, failed: 0, open: 0 }
  let free = [...clients]
  const gapMs = 1000 / Number(rate)
  const startMs = performance.now()
  const endMs = startMs + Number(seconds) * 1000
  let turns: WireClient[] = []
  for (let dueMs = startMs; dueMs < endMs; ) {
    if (turns.length === 0) [turns, free] = [free.reverse(), turns] // the one that has waited longest is next
    const client = performance.now() < dueMs ? undefined : turns.pop()
    if (client !== undefined) {
      client.sinceMs = dueMs
      tally.open++
      client.ask()
      dueMs += gapMs
    }
    if (performance.now() > endMs + patienceMs) throw new Error(`${rate} a second are too many`)
    loop.turn(0) // awake all the time, so that its own waking up is not in the latencies
  }
  finish(() => tally.open === 0, endMs)
  const answer = summary(tally, startMs)
  for (const client of clients) client.close()
  return answer
}

/** `times` connections one after the other on which the server speaks first. */
function banner({ times }: Question, target: SocketAddress): Answer {
  return inTurn(Number(times), target, () => {}, answerSize)
}

/** The same, with a question: the time from it to the end of an answer in two writes. */
function twoWrites({ times }: Question, target: SocketAddress): Answer {
  const ask = (client: WireClient): void => {
    client.sinceMs = performance.now()
    client.ask()
  }
  return inTurn(Number(times), target, ask, headSize + bodySize)
}

/** `times` connections one after the other, until `whole` bytes have come on each. */
function inTurn(
  times: number,
  target: SocketAddress,
  connected: (client: WireClient) => void,
  whole: number,
): Answer {
  const startMs = performance.now()
  const tally = { count: 0, failed: 0, open: 0 }
  const steps: Steps = {
    connected,
    answered(client) {
      latencies.add(performance.now() - client.sinceMs)
      tally.count++
      tally.open--
      client.close()
    },
    ended() {
      tally.failed++
      tally.open--
    },
  }
  for (let i = 0; i < times; i++) {
    tally.open++
    new WireClient(shared, target, steps, whole)
    const lateMs = performance.now() + patienceMs
    while (tally.open > 0 && performance.now() < lateMs) loop.turn(0)
  }
  return summary(tally, startMs)
}

/** So many connections, when all of them have been connected through to the backend and answered once. */
function connected(
  count: number,
  target: SocketAddress,
  answered: (client: WireClient) => void,
): readonly WireClient[] {
  let waiting = count
  let step = (_: WireClient): void => void waiting--
  const steps: Steps = {
    connected: (client) => client.ask(),
    answered: (client) => step(client),
    ended: () => {
      throw new Error('a connection that was to stay was ended')
    },
  }
  const clients = Array.from({ length: count }, () => new WireClient(shared, target, steps))
  finish(() => waiting === 0, performance.now())
  step = answered
  return clients
}

function finish(done: () => boolean, endMs: number): void {
  if (!turnUntil(done, endMs - performance.now() + patienceMs))
    throw new Error('connections were never answered')
}

function turnUntil(done: () => boolean, withinMs: number): boolean {
  const lateMs = performance.now() + withinMs
  while (!done()) {
    loop.turn(10)
    if (performance.now() > lateMs) return false
  }
  return true
}

function summary(tally: { readonly count: number; readonly failed: number }, startMs: number): Answer {
  const seconds = (performance.now() - startMs) / 1000
  return { count: tally.count, failed: tally.failed, seconds, ...latencies.summary() }
}

function address(host: string, port: number): SocketAddress {
  const parsed = socketAddress(host, port)
  if (parsed === undefined) throw new Error(`${host}: not a literal address`)
  return parsed
}
