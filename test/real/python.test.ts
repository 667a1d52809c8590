import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { findProgram } from '../helpers/find-program.ts'
import type { Peer } from '../helpers/peer.ts'
import { newFolder, Server } from './server.ts'
import { atOnce, crowd, guest } from './turned-away.ts'
import { uploads } from './uploads.ts'
import { onWays } from './ways.ts'

const python = findProgram('python3', ['/usr/bin'])
const script = fileURLToPath(new URL('http_server.py', import.meta.url))

function start(): Promise<Server> {
  const command = (port: number) => [python ?? '', script, String(port)]
  return Server.start({ folder: newFolder('python'), command, ready: /^listening/ })
}

function whatIsMissing(): string | null {
  if (python === null) return 'python3 is not installed'
  return findProgram('curl') === null ? 'curl is not installed' : null
}

const test = onWays({ missing: whatIsMissing(), start, server: 'each' })

const request = 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
const bodyBytes = 300
const rounds = 20

/** From the request to the last byte of the answer. */
async function answerMs(peer: Peer): Promise<number> {
  const startMs = performance.now()
  await peer.write(request)
  let head = ''
  while (!head.endsWith('\r\n\r\n')) head += (await peer.read(1)).toString('latin1')
  await peer.read(bodyBytes)
  return performance.now() - startMs
}

/**
 * The quickest of `rounds` answers, and of more as long as it is not below `enoughMs`, to the first request on a connection
 * each or all on one: a delayed ACK is in every one of them, what else goes on on this machine is not.
 */
async function quickestMs(
  t: ExecutionContext,
  port: number,
  kept: boolean,
  enoughMs = Number.POSITIVE_INFINITY,
): Promise<number> {
  const took: number[] = []
  let peer = await guest(t, port)
  for (let round = 0; round < rounds || (Math.min(...took) >= enoughMs && round < 10 * rounds); round++) {
    if (!kept) {
      peer.end()
      peer = await guest(t, port)
    }
    took.push(await answerMs(peer))
  }
  // The first one on a connection is a claim of its own.
  return Math.min(...(kept ? took.slice(1) : took))
}

/** Ten times what it may cost on a quiet machine, and half of a delayed ACK (40 ms). */
const mostMs = 20

for (const [which, kept] of [
  ['the first answer on a connection', false],
  ['later answers on a connection that stays', true],
] as const) {
  test(`head and body in two writes under Nagle: ${which} take${kept ? '' : 's'} as long as directly`, async (t, {
    server,
    port,
  }) => {
    const direct = await quickestMs(t, server.port, kept)
    const here = await quickestMs(t, port, kept, direct + mostMs)
    t.log(`direct ${direct.toFixed(2)} ms, here ${here.toFixed(2)} ms`)
    t.true(here < direct + mostMs, `${here} ms, ${direct} ms directly`)
  })
}

/** Still on its way when the answer is written. */
const uploadBytes = 5 * 1024 * 1024

test('an upload that is refused unread: curl gets the 413, 50 of 50', async (t, { server, port }) => {
  const file = join(server.folder, 'upload')
  writeFileSync(file, Buffer.alloc(uploadBytes, 'u'))
  // At full speed it is always in send(2), and gives up without a look at the answer when the reset comes first: directly
  // too, one time in hundreds on a busy machine.
  t.deepEqual(await uploads(port, '', file, '--limit-rate', '2M'), { 413: crowd })
})

test('so does everyone whose upload is there before the server looks', async (t, { server, port }) => {
  const head = `PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${uploadBytes}\r\n\r\n`
  const told = await atOnce(server, port, head + 'u'.repeat(40_000))
  const whole = Object.entries(told).filter(([text]) =>
    /^HTTP\/1\.1 413 .*\r\n\r\ntoo large\n, then/s.test(text),
  )
  t.is(
    whole.reduce((sum, [, count]) => sum + count, 0),
    crowd,
    Object.keys(told).join('\n'),
  )
})
