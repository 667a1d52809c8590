import { once } from 'node:events'
import { closeSync, fstatSync, openSync, readlinkSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { descriptorOf } from '../../src/handover/peer.ts'
import { AF_UNIX } from '../../src/linux/constants.ts'
import { EAGAIN, EINVAL } from '../../src/linux/errno.ts'
import type { Fd } from '../../src/linux/fd.ts'
import { type Libc, mostDescriptors, must } from '../../src/linux/libc.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'

const loaded = loadLibc()
if (loaded.kind === 'missing') throw new Error(loaded.reason)
const { libc } = loaded
let scenes = 0

/** Both ends of an abstract UNIX connection: the near one ours, the far one node:net's. */
async function ends(t: ExecutionContext): Promise<{ near: Fd; far: Socket }> {
  const name = `\0spliceway-test-${process.pid}-${++scenes}`
  const server: Server = createServer({ pauseOnConnect: true }).listen(name)
  await once(server, 'listening')
  const connected = once(server, 'connection')
  const near = must('socket', libc.socket('unix'))
  const address = libc.block(2 + name.length)
  address.view.setUint16(0, AF_UNIX, true)
  address.bytes.write(name, 2)
  must('connect', libc.connect(near, address, address.size))
  const [far]: Socket[] = await connected
  if (far === undefined) throw new Error('nobody came')
  t.teardown(() => {
    libc.close(near)
    far.destroy()
    server.close()
  })
  return { near, far }
}

function text(libc: Libc, content: string) {
  const block = libc.block(content.length)
  block.bytes.write(content)
  return block
}

test('descriptors go beside the bytes: the same open files, close-on-exec, in order', async (t) => {
  const { near, far } = await ends(t)
  const files = ['/proc/self/stat', '/dev/null'].map((path) => openSync(path, 'r'))
  t.teardown(() => {
    for (const file of files) closeSync(file)
  })
  const block = text(libc, 'two files')
  t.is(libc.sendDescriptors(descriptorOf(far), block, 0, block.size, files), block.size)
  const into = libc.block(64)
  const got = libc.receiveDescriptors(near, into, 0, into.size)
  if (typeof got === 'number') return t.fail(`errno ${got}`)
  t.is(into.bytes.toString('latin1', 0, got.bytes), 'two files')
  t.deepEqual(
    got.descriptors.map(({ n }) => fstatSync(n).ino),
    files.map((file) => fstatSync(file).ino),
  )
  t.is(readlinkSync(`/proc/self/fd/${got.descriptors[1]?.n}`), '/dev/null')
  for (const fd of got.descriptors) libc.close(fd)
  t.is(libc.receiveDescriptors(near, into, 0, into.size), EAGAIN)
})

test(`${mostDescriptors} descriptors fit one message, one more does not, and none is no message`, async (t) => {
  const { near, far } = await ends(t)
  const file = openSync('/dev/null', 'r')
  t.teardown(() => closeSync(file))
  const block = text(libc, '.')
  const send = (count: number) =>
    libc.sendDescriptors(descriptorOf(far), block, 0, 1, Array(count).fill(file))
  t.is(send(mostDescriptors + 1), EINVAL)
  t.is(send(0), EINVAL)
  t.is(send(mostDescriptors), 1)
  const got = libc.receiveDescriptors(near, block, 0, 1)
  if (typeof got === 'number') return t.fail(`errno ${got}`)
  t.is(got.descriptors.length, mostDescriptors)
  t.is(new Set(got.descriptors.map(({ n }) => n)).size, mostDescriptors)
  for (const fd of got.descriptors) libc.close(fd)
})

test('bytes that come alone bring no descriptor, and the end is zero bytes', async (t) => {
  const { near, far } = await ends(t)
  const into = libc.block(8)
  await new Promise<void>((resolve) => far.end('alone', () => resolve()))
  t.deepEqual(libc.receiveDescriptors(near, into, 0, 8), { bytes: 5, descriptors: [] })
  t.deepEqual(libc.receiveDescriptors(near, into, 0, 8), { bytes: 0, descriptors: [] })
})

test('each end learns who is at the other', async (t) => {
  const { near, far } = await ends(t)
  const us = { pid: process.pid, uid: process.getuid?.() }
  t.deepEqual(libc.peerCredentials(near), us)
  t.deepEqual(libc.peerCredentials(descriptorOf(far)), us)
})
