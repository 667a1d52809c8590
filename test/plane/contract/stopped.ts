import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { PlaneName } from '../../helpers/forwarder.ts'
import { Backend, dialPeer, silentPort } from '../../helpers/peer.ts'
import { Program } from '../../helpers/program.ts'
import { tcpRows, tcpState } from '../socket.ts'

const cli = fileURLToPath(new URL('../../../src/cli.mjs', import.meta.url))
const pollMs = 5
/** What a program that was stopped finds expired. Longer than a busy machine takes to stop it. */
const timeoutMs = 3_000
/** The same for a dial; the kernel sends a SYN again after 1 s, 3 s and 7 s. */
const dialMs = 4_000

/** The whole program with `plane`, in front of one endpoint. */
async function started(t: ExecutionContext, plane: PlaneName, endpoint: number, rest: string) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'edge.yaml')
  writeFileSync(
    file,
    `listeners: [{ name: main, listen: "127.0.0.1:0", pool: main }]
admin: { listen: off, socket: off }
plane: ${plane}
workers: 1
${rest.replace('ENDPOINT', `"127.0.0.1:${endpoint}"`)}
`,
  )
  const program = await Program.start([process.execPath, cli, 'run', '-c', file])
  t.teardown(() => program.kill())
  const { address } = JSON.parse(await program.line(/listening on/))
  return { program, port: Number(address.slice(address.lastIndexOf(':') + 1)) }
}

/** SIGSTOP, and until every thread has stopped. */
async function stop(program: Program): Promise<void> {
  program.signal('SIGSTOP')
  const tasks = `/proc/${program.pid}/task`
  const runs = (task: string) => !/\) [Tt] /.test(readFileSync(`${tasks}/${task}/stat`, 'latin1'))
  while (readdirSync(tasks).some(runs)) await sleep(pollMs)
}

const ended = async (program: Program) => JSON.parse(await program.line(/"msg":"connection"/))

/** A program that was paused, as by SIGSTOP or with its virtual machine, reads what is here before it judges anybody. */
export function stoppedContract(plane: PlaneName): void {
  for (const timeout of ['idle', 'halfClose'] as const) {
    test.serial(
      `${plane}: case 22: bytes that came while the program was stopped longer than ${timeout}`,
      async (t) => {
        const backend = await Backend.start()
        t.teardown(() => backend.close())
        const timeouts = `timeouts: { ${timeout}: ${timeoutMs}ms }`
        const pools = 'pools: { main: { endpoints: [ENDPOINT], health: off } }'
        const { program, port } = await started(t, plane, backend.port, `${timeouts}\n${pools}`)
        const client = await dialPeer(port)
        t.teardown(() => client.socket.destroy())
        const server = await backend.accept()
        if (timeout === 'halfClose') client.end('hello')
        else await client.write('hello')
        await server.read(5)
        await stop(program)
        // All of it waits in the kernel when the program goes on: what comes of it is up to the program alone.
        await server.write('still here')
        server.end()
        if (timeout === 'idle') client.end()
        await sleep(1.5 * timeoutMs)
        program.signal('SIGCONT')
        const { bytes, ending } = await client.readAll()
        t.deepEqual([bytes.toString(), ending], ['still here', 'fin'])
        t.is((await ended(program)).cause, 'none')
      },
    )
  }

  test.serial(
    `${plane}: case 22: a dial that was answered while the program was stopped longer than connect.timeout`,
    async (t) => {
      const silent = await silentPort()
      t.teardown(() => silent.close())
      const connect = `connect: { timeout: ${dialMs}ms, budget: 30s }`
      const pools = `pools: { main: { endpoints: [ENDPOINT], health: off, ${connect} } }`
      const { program, port } = await started(t, plane, silent.port, pools)
      const client = await dialPeer(port)
      t.teardown(() => client.socket.destroy())
      const inState = (state: number) => tcpRows(silent.port).filter((row) => row.state === state).length
      const fillers = tcpRows(silent.port).filter(({ state }) => state === tcpState.established)
      const writtenMs = performance.now()
      await client.write('hello')
      while (inState(tcpState.synSent) === 0) await sleep(pollMs)
      const begun = performance.now()
      await stop(program)
      // On a busy machine a dial may have timed out by now, and it is the next one that is answered.
      const timedOut = Math.floor((performance.now() - writtenMs) / dialMs)
      silent.answer() // the kernel sends its SYN again after 1 s, and that one is answered
      while (inState(tcpState.established) === fillers.length) await sleep(pollMs)
      await sleep(Math.max(0, begun + 1.5 * dialMs - performance.now()))
      program.signal('SIGCONT')
      // Nobody accepts there: what the program has relayed waits in the kernel.
      const relayed = () => tcpRows(silent.port, 'from').some(({ unreadBytes }) => unreadBytes === 5)
      while (!relayed() && client.ending === null) await sleep(pollMs)
      client.reset()
      const { attempts, endpoint } = await ended(program)
      t.is(endpoint, `127.0.0.1:${silent.port}`)
      const errors: readonly (string | null)[] = attempts.map(({ error }: { error: string | null }) => error)
      t.is(errors.at(-1), null)
      t.true(errors.length <= 1 + timedOut, `${errors.join(' ')} in spite of a wait of ${timedOut} dials`)
    },
  )
}
