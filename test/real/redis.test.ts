import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram } from '../helpers/find-program.ts'
import { run } from '../helpers/program.ts'
import { newFolder, Server } from './server.ts'
import { atOnce, crowd, guest, inTurn } from './turned-away.ts'
import { onWays } from './ways.ts'

const redis = findProgram('redis-server')
const places = 3

/** A redis for `places` clients, which keeps nothing. */
function start(): Promise<Server> {
  const folder = newFolder('redis')
  const options = ['--bind', '127.0.0.1', '--maxclients', String(places), '--save', '', '--dir', folder]
  return Server.start({
    folder,
    command: (port) => [redis ?? '', '--port', String(port), ...options],
    ready: /Ready to accept connections/,
  })
}

const missing = redis === null ? 'redis-server is not installed' : null
const test = onWays({ missing, start, server: 'each' })

const full = '-ERR max number of clients reached\r\n'

test('a client over the limit is told so, 50 of 50, though redis resets: it has not read what they said', async (t, scene) => {
  for (let place = 0; place < places; place++) {
    const peer = await guest(t, scene.port)
    await peer.write('PING\r\n')
    t.is((await peer.read(7)).toString(), '+PONG\r\n')
  }
  t.deepEqual(await atOnce(scene.server, scene.port, 'PING\r\n'), { [`${full}, then rst`]: crowd })
})

test('a silent client over the limit is told so, 50 of 50, and the end is a FIN', async (t, scene) => {
  for (let place = 0; place < places; place++) {
    const peer = await guest(t, scene.port)
    await peer.write('PING\r\n')
    await peer.read(7)
  }
  t.deepEqual(await inTurn(scene.port, null), { [`${full}, then fin`]: crowd })
})

test('a thousand commands, each after the answer to the one before', async (t, { port }) => {
  const peer = await guest(t, port)
  for (let count = 1; count <= 1000; count++) {
    await peer.write('INCR count\r\n')
    const answer = `:${count}\r\n`
    t.is((await peer.read(answer.length)).toString(), answer)
  }
})

test('ten thousand commands at once, answered in order, then QUIT and a FIN', async (t, { port }) => {
  const peer = await guest(t, port)
  const count = 10_000
  await peer.write(`${'INCR count\r\n'.repeat(count)}QUIT\r\n`)
  const answers = Array.from({ length: count }, (_, at) => `:${at + 1}\r\n`).join('')
  const { bytes, ending } = await peer.readAll()
  t.is(bytes.toString(), `${answers}+OK\r\n`)
  t.is(ending, 'fin')
})

/** Several times what ends a half-closed or a stuck connection in the test below. */
const silenceMs = 600

test(
  'a subscriber that hears nothing for long is not taken for dead',
  async (t, { port }) => {
    const [subscriber, publisher] = [await guest(t, port), await guest(t, port)]
    await subscriber.write('SUBSCRIBE news\r\n')
    const begun = '*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n'
    t.is((await subscriber.read(begun.length)).toString(), begun)
    await sleep(silenceMs)
    await publisher.write('PUBLISH news hello\r\n')
    t.is((await publisher.read(4)).toString(), ':1\r\n')
    const news = '*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n'
    t.is((await subscriber.read(news.length)).toString(), news)
  },
  { timeouts: { halfCloseMs: 100, stallMs: 100 } },
)

test('redis-cli writes a megabyte and reads it', async (t, { port }) => {
  const cli = ['redis-cli', '-p', String(port)]
  t.is((await run([...cli, 'SETRANGE', 'big', String(2 ** 20 - 1), 'x'])).out, '1048576\n')
  const { out } = await run([...cli, '--raw', 'GET', 'big'])
  t.is(out.length, 2 ** 20 + 1)
  t.is(out.at(-2), 'x')
})
