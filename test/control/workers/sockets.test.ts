import { once } from 'node:events'
import { createServer } from 'node:net'
import test from 'ava'
import { bindErrorText } from '../../../src/control/workers/bind-error.ts'
import { BindError, bindListener, type Duplicate } from '../../../src/control/workers/sockets.ts'
import { must } from '../../../src/linux/libc.ts'
import { loadLibc } from '../../../src/linux/load-libc.ts'
import { holderText } from '../../../src/linux/port-holder.ts'
import { Backend, dialPeer } from '../../helpers/peer.ts'

const loaded = loadLibc()
const duplicate: Duplicate | null =
  loaded.kind === 'loaded' ? (fd) => must('fcntl', loaded.libc.duplicate(fd)).n : null

test('a port that somebody else holds is refused, and the text names the holder and its uid', async (t) => {
  const holder = await Backend.start()
  const error = t.throws(() => bindListener({ host: '127.0.0.1', port: holder.port }, 1, duplicate), {
    instanceOf: BindError,
  })
  t.is(error?.code, 'EADDRINUSE')
  if (error) {
    const text = await bindErrorText(error, 1234, holderText)
    t.regex(text, new RegExp(`cannot listen on 127.0.0.1:${holder.port}: the port is taken`))
    t.regex(text, new RegExp(`pid ${process.pid}\\).*uid ${process.getuid?.()}.*this process is uid 1234`))
  }
  await holder.close()
})

test('a port that is held with SO_REUSEPORT by the same uid is refused too', async (t) => {
  const held = bindListener({ host: '127.0.0.1', port: 0 }, 1, duplicate)
  const server = createServer().listen({ fd: held.lend(1)[0] as number })
  await once(server, 'listening')
  t.throws(() => bindListener(held.address, 1, duplicate), { instanceOf: BindError })
  server.close()
  held.close()
})

test('an address that this host has not is refused with what to do', async (t) => {
  const error = t.throws(() => bindListener({ host: '192.0.2.1', port: 0 }, 1, duplicate), {
    instanceOf: BindError,
  })
  t.is(error?.code, 'EADDRNOTAVAIL')
  if (error) t.regex(await bindErrorText(error, 0, holderText), /this host has no such address/)
})

test('a privileged port without the capability says which capability, and where to set it', async (t) => {
  const error = new BindError({ host: '::', port: 80 }, 'EACCES', undefined)
  const text = await bindErrorText(error, 64080, holderText)
  t.regex(
    text,
    /cannot listen on \[::\]:80: ports below 1024 need CAP_NET_BIND_SERVICE, which uid 64080 does not have/,
  )
  t.regex(text, /AmbientCapabilities=CAP_NET_BIND_SERVICE/)
})

test('a port that is not below 1024 is no matter of that capability', async (t) => {
  const text = await bindErrorText(
    new BindError({ host: '::', port: 8080 }, 'EACCES', undefined),
    1,
    holderText,
  )
  t.regex(text, /CAP_NET_BIND_SERVICE would not help/)
  t.regex(text, /semanage port -a -t http_port_t -p tcp 8080/)
})

test('EPERM names what forbids a port on a Cilium node, and no capability', async (t) => {
  const text = await bindErrorText(new BindError({ host: '::', port: 80 }, 'EPERM', undefined), 0, holderText)
  t.regex(text, /Cilium node: its bind protection/)
  t.notRegex(text, /AmbientCapabilities/)
})

test('all workers share one port, and a second loan of the same socket keeps its accept queue', async (t) => {
  if (duplicate === null) return t.fail('koffi did not load')
  const sockets = bindListener({ host: '127.0.0.1', port: 0 }, 1, duplicate)
  const first = createServer().listen({ fd: sockets.lend(1)[0] as number })
  await once(first, 'listening')
  first.close()
  await once(first, 'close')
  const client = await dialPeer(sockets.address.port) // nobody accepts now: it waits in the queue
  const second = createServer((socket) => socket.end('served'))
  second.listen({ fd: sockets.lend(1)[0] as number })
  t.is((await client.readAll()).bytes.toString(), 'served')
  client.end()
  second.close()
  sockets.close()
})

test('without duplicates each socket is lent once, and a successor gets a new one on the same port', async (t) => {
  const sockets = bindListener({ host: '127.0.0.1', port: 0 }, 2, null)
  const [a, b] = [...sockets.lend(1), ...sockets.lend(2)]
  t.is(typeof a, 'object')
  const [again] = sockets.lend(1)
  t.not(again, a)
  for (const socket of [a, b, again])
    if (typeof socket === 'object') {
      t.is(Number(socket.address().port), sockets.address.port)
      socket.close()
    }
  sockets.close()
})
