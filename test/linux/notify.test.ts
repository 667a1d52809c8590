import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { openNotify } from '../../src/linux/notify.ts'
import { NotifySocket } from '../helpers/notify-socket.ts'

const libc = loadLibc()

for (const kind of ['abstract', 'path'] as const) {
  test(`messages arrive whole, in order and from this process over a socket with ${kind} name`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-notify-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const name = kind === 'path' ? join(folder, 'notify') : `@spliceway-notify-${process.pid}`
    const receiver = new NotifySocket(name)
    t.teardown(() => receiver.close())
    const notify = openNotify({ socket: name, libc, failed: (reason) => t.fail(reason) })
    notify.tell(['READY=1', 'STATUS=naïve'])
    notify.tell(['STOPPING=1'])
    await notify.close()
    await receiver.message(/STOPPING/)
    t.deepEqual(receiver.messages, [
      { pid: process.pid, text: 'READY=1\nSTATUS=naïve' },
      { pid: process.pid, text: 'STOPPING=1' },
    ])
  })
}

test('a receiver that is slow gets every message: a full queue is waited for', async (t) => {
  const name = `@spliceway-slow-${process.pid}`
  const receiver = new NotifySocket(name)
  t.teardown(() => receiver.close())
  const notify = openNotify({ socket: name, libc, failed: (reason) => t.fail(reason) })
  const sent = 2 * Number(readFileSync('/proc/sys/net/unix/max_dgram_qlen', 'utf8')) + 5
  for (let index = 1; index <= sent; index++) notify.tell([`STATUS=${index}`])
  await notify.close()
  await receiver.message(new RegExp(`=${sent}$`))
  t.is(receiver.messages.length, sent)
})

test('a receiver that is not there is reported once, and nothing throws', async (t) => {
  const reasons: string[] = []
  const socket = `@spliceway-nobody-${process.pid}`
  const notify = openNotify({ socket, libc, failed: (reason) => reasons.push(reason) })
  notify.tell(['READY=1'])
  notify.tell(['STOPPING=1'])
  await notify.close()
  t.deepEqual(reasons, [`sendto ${socket}: ECONNREFUSED`])
})

test('an address that is none is reported, and nothing throws', async (t) => {
  const reasons: string[] = []
  const notify = openNotify({ socket: 'vsock:2:1', libc, failed: (reason) => reasons.push(reason) })
  notify.tell(['READY=1'])
  await notify.close()
  t.deepEqual(reasons, ['NOTIFY_SOCKET is no address of a UNIX socket: vsock:2:1'])
})
