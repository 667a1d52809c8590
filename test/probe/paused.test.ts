import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { Verdict } from '../../src/core/health.ts'
import { Backend } from '../helpers/peer.ts'

const timeoutMs = 500
const response = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'

/** What a probe finds whose process is stopped with its request sent. `answerMs`: after it goes on; null: never. */
async function stopped(t: ExecutionContext, answerMs: number | null): Promise<Verdict> {
  const backend = await Backend.start()
  t.teardown(() => backend.close())
  const file = fileURLToPath(new URL('./paused-probe.ts', import.meta.url))
  const child = fork(file, [String(backend.port), String(timeoutMs)], { stdio: 'inherit' })
  t.teardown(() => child.kill('SIGKILL'))
  const found = once(child, 'message')
  const peer = await backend.accept()
  await peer.read(1)
  child.kill('SIGSTOP')
  await sleep(timeoutMs * 2)
  child.kill('SIGCONT')
  if (answerMs !== null) {
    await sleep(answerMs)
    peer.end(response)
  }
  const [verdict]: Verdict[] = await found
  if (verdict === undefined) throw new Error('the child has said nothing')
  return verdict
}

test('a process that stood still for longer than a probe may take does not blame the endpoint', async (t) => {
  t.like(await stopped(t, 50), { ok: true })
})

test('an endpoint that is silent after that too has failed', async (t) => {
  t.like(await stopped(t, null), { ok: false, fault: 'endpoint' })
})
