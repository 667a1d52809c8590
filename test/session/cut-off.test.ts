import test, { type ExecutionContext } from 'ava'
import type { PoolConfig } from '../../src/config/config.ts'
import { Forwarder, type PlaneName } from '../helpers/forwarder.ts'
import { Backend, dialPeer, type Peer } from '../helpers/peer.ts'

const planes: readonly PlaneName[] = ['net', 'splice']
const outlier: PoolConfig['outlier'] = {
  consecutiveFailures: 5,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
}

/** Answers `hello` with its word and the end, and resets whoever sends anything else. */
function strict(word: string): (peer: Peer) => void {
  return (peer) =>
    peer.socket.once('data', (bytes) => {
      if (bytes.toString() === 'hello') peer.end(word)
      else peer.reset()
    })
}

/** What is dead behind a load balancer that lives: accepted, and reset with the first bytes. */
function dead(peer: Peer): void {
  peer.socket.once('data', () => peer.reset())
}

async function say(port: number, words: string): Promise<string> {
  const client = await dialPeer(port)
  await client.write(words)
  const { bytes, ending } = await client.readAll()
  client.end()
  return ending === 'fin' ? bytes.toString() : ending
}

async function start(
  t: ExecutionContext,
  plane: PlaneName,
  ...serve: readonly ((peer: Peer) => void)[]
): Promise<{ forwarder: Forwarder; backends: readonly Backend[] }> {
  const backends = await Promise.all(serve.map((onPeer) => Backend.start({ onPeer })))
  const endpoints = backends.map(({ port }) => port)
  const forwarder = await Forwarder.start({ plane, endpoints, pool: { outlier } })
  t.teardown(async () => {
    await forwarder.app.stop()
    await Promise.all(backends.map((backend) => backend.close()))
  })
  return { forwarder, backends }
}

/** All reports of the past are in: those of an Outcome go up after its sign. */
async function told(forwarder: Forwarder, count: number): Promise<void> {
  await forwarder.until(() => forwarder.outcomes.length >= count)
}

function ejections({ lines }: Forwarder): readonly string[] {
  return lines.map(({ message }) => message).filter((message) => /ejected/.test(message))
}

for (const plane of planes) {
  test.serial(
    `${plane}: an endpoint that accepts and resets five in a row is ejected, as one that refuses is`,
    async (t) => {
      const { forwarder, backends } = await start(t, plane, dead, strict('b'), strict('c'))
      const answers: string[] = []
      for (let i = 0; i < 15; i++) answers.push(await say(forwarder.port, 'hello'))
      t.is(answers.filter((answer) => answer === 'rst').length, 5)
      const { message } = await forwarder.line(/ is ejected /)
      t.regex(message, /: 5 connections in a row were reset before their first byte; 2 of 3 endpoints up$/)
      t.true(message.includes(`127.0.0.1:${backends[0]?.port}`))
      for (let i = 0; i < 9; i++) t.not(await say(forwarder.port, 'hello'), 'rst')
    },
  )

  test.serial(`${plane}: one client that all endpoints reset ejects none of them`, async (t) => {
    const { forwarder } = await start(t, plane, strict('a'), strict('b'), strict('c'))
    for (let i = 0; i < 60; i++) t.is(await say(forwarder.port, 'garbage'), 'rst')
    await told(forwarder, 60)
    t.deepEqual(
      ejections(forwarder).filter((message) => !/stays in use, the others do the same/.test(message)),
      [],
    )
    t.is(await say(forwarder.port, 'hello').then((answer) => answer.length), 1)
  })

  test.serial(`${plane}: one client that is reset among others that are served ejects nobody`, async (t) => {
    const { forwarder } = await start(t, plane, strict('a'), strict('b'))
    for (let i = 0; i < 30; i++) {
      // Two each: with two endpoints in turns, both kinds of client reach both.
      for (let j = 0; j < 2; j++) t.is(await say(forwarder.port, 'garbage'), 'rst')
      for (let j = 0; j < 2; j++) t.not(await say(forwarder.port, 'hello'), 'rst')
    }
    await told(forwarder, 120)
    t.deepEqual(ejections(forwarder), [])
  })

  test.serial(
    `${plane}: a client that resets, or ends before it is reset, is no failure of the endpoint`,
    async (t) => {
      const resetsAtEnd = (peer: Peer): void => void peer.socket.once('end', () => peer.reset())
      const { forwarder, backends } = await start(t, plane, resetsAtEnd, resetsAtEnd)
      for (let i = 0; i < 20; i++) {
        const client = await dialPeer(forwarder.port)
        await client.write('x')
        const [one, two] = backends
        await forwarder.until(() => (one?.peers.length ?? 0) + (two?.peers.length ?? 0) > i)
        if (i % 2 === 0) client.reset()
        else {
          client.end()
          await client.ended()
        }
      }
      await told(forwarder, 20)
      t.deepEqual(ejections(forwarder), [])
    },
  )
}
