import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { median, percentile } from '../../bench/harness/statistics.ts'
import { cli } from '../end-to-end/spliceway.ts'
import { Backend, echo } from '../helpers/peer.ts'
import { Program } from '../helpers/program.ts'
import { hello, sni } from '../protocol/hello-bytes.ts'

/**
 * With and without the attack in turns, so that a busy machine shifts both. The long form (SPLICEWAY_ATTACK=long) holds the
 * ratios of p99 that are promised, and wants a machine of its own; the short one looks at the median, and allows for others.
 */
const isLong = process.env.SPLICEWAY_ATTACK === 'long'
const rounds = isLong ? 9 : 3
const roundMs = isLong ? 4_000 : 2_000
const lanes = 4
/** A quarter of it may be on its way in: every dribbler has its whole `prefaceTimeout`. */
const connections = 8_000
const MiB = 1 << 20

const request = hello(sni('shop.example'))

interface Scene {
  readonly program: Program
  readonly port: number
}

async function start(t: ExecutionContext, listener: string): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-attack-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const backend = await Backend.start({ onPeer: echo })
  t.teardown(() => backend.close())
  const file = join(folder, 'edge.yaml')
  writeFileSync(
    file,
    `listeners: [{ name: edge, listen: "127.0.0.1:0", pool: web, ${listener} }]
pools: { web: { endpoints: ["127.0.0.1:${backend.port}"] } }
admin: { socket: off, listen: off }
limits: { connections: ${connections} }
log: { access: none }
workers: 1
`,
  )
  const program = await Program.start([process.execPath, cli, 'run', '-c', file])
  t.teardown(() => program.kill())
  const line = await program.line(/"msg":"listening on/)
  return { program, port: Number(/listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1]) }
}

/** The ms from connect() to the echo of the whole request, for clients of many sources, one after the other in each lane. */
async function visit(port: number): Promise<{ readonly times: readonly number[]; readonly failed: number }> {
  const times: number[] = []
  let failed = 0
  let source = 0
  const end = performance.now() + roundMs
  const lane = async (): Promise<void> => {
    while (performance.now() < end) {
      const startMs = performance.now()
      const localAddress = `127.0.1.${(source++ % 250) + 1}`
      const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true })
      socket.write(request)
      let left = request.length
      socket.on('data', (bytes: Buffer) => {
        left -= bytes.length
        if (left === 0) socket.destroy()
      })
      socket.on('error', () => {})
      await once(socket, 'close')
      if (left === 0) times.push(performance.now() - startMs)
      else failed++
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return { times, failed }
}

function attacker(t: ExecutionContext, kind: 'flood' | 'dribble', amount: number): ChildProcess {
  const child = fork(new URL('attacker.ts', import.meta.url), [kind, String(amount)])
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

async function tell(child: ChildProcess, port: number | null): Promise<unknown> {
  child.send(port as never)
  const [answer] = await once(child, 'message')
  return answer
}

function residentBytes(pid: number): number {
  const kiB = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
  return Number(kiB) * 1024
}

interface Taken {
  /** Times with the attack over those without it, the median of pairs. */
  readonly ratio: { readonly p50: number; readonly p99: number }
  readonly attacks: number
  /** Of the resident set, from the end of the first attack to the end of the last. */
  readonly grown: number
  readonly failed: number
}

async function compare(t: ExecutionContext, { program, port }: Scene, child: ChildProcess): Promise<Taken> {
  await visit(port) // the code is compiled
  const ratios = { p50: [] as number[], p99: [] as number[] }
  const sizes: number[] = []
  let attacks = 0
  let failed = 0
  for (let i = 0; i < rounds; i++) {
    const quiet = await visit(port)
    await tell(child, port)
    const attacked = await visit(port)
    sizes.push(residentBytes(program.pid))
    const { begun } = (await tell(child, null)) as { begun: number }
    attacks += begun
    failed += attacked.failed + quiet.failed
    const [p50, p99] = [0.5, 0.99].map((share) => {
      const [quietMs, attackedMs] = [percentile(quiet.times, share), percentile(attacked.times, share)]
      return {
        ratio: attackedMs / quietMs,
        text: `${quietMs.toFixed(2)} ms, under attack ${attackedMs.toFixed(2)} ms`,
      }
    })
    ratios.p50.push(p50?.ratio ?? Number.NaN)
    ratios.p99.push(p99?.ratio ?? Number.NaN)
    t.log(`p50 ${p50?.text}; p99 ${p99?.text}; ${quiet.times.length} and ${attacked.times.length} visits`)
  }
  const grown = (sizes.at(-1) ?? 0) - (sizes[0] ?? 0)
  const ratio = { p50: median(ratios.p50), p99: median(ratios.p99) }
  t.log(
    `ratio of p50 ${ratio.p50.toFixed(2)}, of p99 ${ratio.p99.toFixed(2)}; ${attacks} attacks; memory ${(grown / MiB).toFixed(1)} MiB more`,
  )
  return { ratio, attacks, grown, failed }
}

/** What the median may be where others use the machine too. */
const roughly = 3

function held(t: ExecutionContext, { ratio }: Taken, promised: number): void {
  if (isLong) t.true(ratio.p99 <= promised, `${ratio.p99}`)
  else t.true(ratio.p50 <= roughly, `${ratio.p50}`)
}

test.serial(
  'a flood from one source does not hurt others, memory is flat, and the log has a line a minute',
  async (t) => {
    const scene = await start(t, 'perSource: { connections: 20, rate: 50/s }')
    const began = performance.now()
    const taken = await compare(t, scene, attacker(t, 'flood', 500))
    const minutes = (performance.now() - began) / 60_000
    t.is(taken.failed, 0, 'nobody else is refused')
    t.true(taken.attacks > 400)
    held(t, taken, 1.5)
    t.true(taken.grown < 16 * MiB, `${taken.grown}`)
    const lines = scene.program.lines.filter((line) => /refused/.test(line))
    t.true(lines.length >= 1 && lines.length <= 1 + Math.ceil(minutes), lines.join('\n'))
  },
)

test.serial(
  'a thousand clients that dribble their hello do not hurt others, and memory is flat',
  async (t) => {
    const scene = await start(t, 'routes: [{ sni: "*.example", pool: web }]')
    const taken = await compare(t, scene, attacker(t, 'dribble', 1_000))
    t.is(taken.failed, 0, 'those who say at once what they want are not in the way of the oldest')
    t.true(taken.attacks >= 1_000)
    held(t, taken, 1.2)
    t.true(taken.grown < 16 * MiB, `${taken.grown}`)
    const lines = scene.program.lines.filter((line) => /refused/.test(line))
    t.true(lines.length <= 2, lines.join('\n'))
  },
)
