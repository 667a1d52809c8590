import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { cli } from '../end-to-end/spliceway.ts'
import { Program } from '../helpers/program.ts'

/** Above every account that a machine has. */
const stranger = 100_000_000 + process.pid
const attackMs = 8_000
const MiB = 1 << 20

/**
 * 200 clients for `port`, a quarter of each kind: silent; slow, a byte a second; unread, of the largest page; pipelining.
 * Each comes back 10 ms after it was cut off: a hundred times a second is what matters, not the processor. It reads no file, because it is of a user who can read none.
 */
function attack(port: number): void {
  const { connect } = require('node:net') as typeof import('node:net')
  const head = 'GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n'
  let cut = 0
  const come = (kind: number): void => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    const timer = setInterval(() => {
      if (kind === 1) socket.write('x')
    }, 1_000)
    socket.on('connect', () => {
      if (kind === 1) socket.write('GET /metrics HTTP/1.1\r\nx-slow: ')
      if (kind === 2) socket.pause().write(`${head}\r\n`)
      if (kind === 3) socket.write(`${head}\r\n`.repeat(500))
    })
    if (kind !== 2) socket.resume()
    socket.on('close', () => {
      cut++
      clearInterval(timer)
      setTimeout(come, 10, kind)
    })
  }
  for (let n = 0; n < 200; n++) come(n % 4)
  setTimeout(() => {
    process.stdout.write(String(cut))
    process.exit()
  }, 8_000)
}

/** Why this cannot be tried; null: it can. */
function obstacle(): string | null {
  if (process.getuid?.() !== 0) return 'only root can become another user'
  const { status } = spawnSync(process.execPath, ['-e', ''], { uid: stranger, gid: stranger, cwd: '/' })
  return status === 0 ? null : `other users cannot run ${process.execPath}`
}

function residentBytes(pid: number): number {
  const kiB = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
  return Number(kiB) * 1024
}

/** GET by somebody who gives up after three seconds, as a probe does after as many tries; a collector is more patient. */
async function probe(port: number, path: string, patienceMs = 3_000): Promise<number> {
  const asking = request({
    port,
    host: '127.0.0.1',
    path,
    agent: false,
    signal: AbortSignal.timeout(patienceMs),
  })
  asking.end()
  const [answer] = await once(asking, 'response')
  answer.resume()
  await once(answer, 'end')
  return answer.statusCode
}

const why = obstacle()
const asRoot = why === null ? test : test.skip

asRoot(
  `200 hostile clients of another user keep no probe out, and cost no 50 MiB${why === null ? '' : ` (skipped: ${why})`}`,
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-attack-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    chmodSync(folder, 0o755)
    // So many that a scrape is large: two megabytes.
    const endpoints = Array.from({ length: 500 }, (_, n) => `127.0.${1 + (n >> 8)}.${n & 255}:9080`)
    const config = {
      listeners: [{ name: 'http', listen: '127.0.0.1:0', pool: 'web' }],
      pools: { web: { endpoints, health: 'off' } },
      admin: { socket: join(folder, 'admin.sock'), listen: '127.0.0.1:0' },
      workers: 1,
      drain: { notReadyDelay: '0s', window: '0s', deadline: '1s' },
    }
    const file = join(folder, 'edge.yaml')
    writeFileSync(file, JSON.stringify(config))
    const program = await Program.start([process.execPath, cli, 'run', '-c', file])
    t.teardown(() => program.kill())
    const { address } = JSON.parse(await program.line(/"msg":"admin page open"/))
    const port = Number(String(address).split(':').at(-1))
    // As much as a collector that asks once a second costs anyhow: the heap grows to that within its first pages.
    for (let n = 0; n < 15; n++) {
      t.is(await probe(port, '/metrics', 10_000), 200)
      await new Promise((resolve) => setTimeout(resolve, 1_000)) // each is made anew
    }
    const before = residentBytes(program.pid)

    const attacker: ChildProcess = spawn(process.execPath, ['-e', `(${attack})(${port})`], {
      uid: stranger,
      gid: stranger,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => attacker.kill('SIGKILL'))
    const ended = once(attacker, 'exit')
    let said = ''
    attacker.stdout?.on('data', (text) => {
      said += text
    })
    let most = before
    let slowestMs = 0
    const endMs = performance.now() + attackMs
    for (let n = 0; performance.now() < endMs; n++) {
      const startMs = performance.now()
      t.is(await probe(port, n % 2 === 0 ? '/livez' : '/readyz'), 200)
      slowestMs = Math.max(slowestMs, performance.now() - startMs)
      most = Math.max(most, residentBytes(program.pid))
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await ended
    t.log(
      `cut off ${said} times; slowest probe ${Math.round(slowestMs)} ms; memory ${(before / MiB).toFixed()} to ${(most / MiB).toFixed()} MiB`,
    )
    t.true(Number(said) > 200, 'the attack took place')
    t.true(most - before < 50 * MiB, `${((most - before) / MiB).toFixed()} MiB more`)
    t.is(await probe(port, '/metrics', 10_000), 200)
  },
)
