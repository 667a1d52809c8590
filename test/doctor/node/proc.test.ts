import test from 'ava'
import { hasPortmap, parseIpvs } from '../../../src/doctor/node/cluster.ts'
import { parseNetstat } from '../../../src/doctor/node/kernel.ts'
import { homeOf, isSpliceway } from '../../../src/doctor/node/owners.ts'
import { hostPort } from '../../../src/doctor/subject.ts'
import { parseSockets } from '../../../src/linux/tcp-table.ts'

test('sockets of /proc/net/tcp and tcp6', (t) => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2378 00000000:0000 0A 00000000:0000000F 00:00000000 00000000  1000        0 4242 1 ffff 100 0 0 10 0
   1: 0200630A:0050 0100007F:C350 06 00000000:00000000 03:00000FA5 00000000     0        0 0 3 ffff
   2: 0000000000000000FFFF00000100007F:01BB 00000000000000000000000000000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 7 1 ffff
   3: B80D01200000000000000000 0A
`
  t.deepEqual(
    parseSockets(table).map(({ state, host, port, remoteHost, remotePort, waiting, uid, inode }) =>
      [state, `${host} ${port}`, `${remoteHost} ${remotePort}`, waiting, uid, inode].join(', '),
    ),
    [
      'listen, 127.0.0.1 9080, 0.0.0.0 0, 15, 1000, 4242',
      'time-wait, 10.99.0.2 80, 127.0.0.1 50000, 0, 0, 0',
      'established, 127.0.0.1 443, :: 0, 0, 0, 7',
    ],
  )
})

test('what started a process, by its cgroup', (t) => {
  const name = (uid: string) => (uid === '01234567-89ab-cdef-0123-456789abcdef' ? 'shop/web-1' : uid)
  t.deepEqual(homeOf('0::/system.slice/nginx.service\n', name), { kind: 'unit', unit: 'nginx.service' })
  t.deepEqual(homeOf('0::/user.slice/user-0.slice/session-1.scope\n', name), { kind: 'none' })
  t.deepEqual(homeOf(`0::/system.slice/docker-${'ab'.repeat(32)}.scope\n`, name), {
    kind: 'docker',
    id: 'abababababab',
  })
  const pod = { kind: 'pod', pod: 'shop/web-1' } as const
  const slice = 'kubepods-burstable-pod01234567_89ab_cdef_0123_456789abcdef.slice'
  t.deepEqual(
    homeOf(`0::/kubepods.slice/kubepods-burstable.slice/${slice}/cri-containerd-1.scope\n`, name),
    pod,
  )
  t.deepEqual(homeOf('11:pids:/kubepods/besteffort/pod01234567-89ab-cdef-0123-456789abcdef/1\n', name), pod)
})

test('a spliceway is known by its script and not by a folder', (t) => {
  t.true(isSpliceway(['node', '--disable-sigusr1', '/app/src/cli.mjs', 'run']))
  t.true(isSpliceway(['/usr/bin/spliceway', 'run']))
  t.true(isSpliceway(['/opt/node', '/usr/lib/node_modules/spliceway/dist/cli.mjs', 'run']))
  t.true(isSpliceway(['spliceway run /etc/spliceway/spliceway.yaml', '', '']))
  t.false(isSpliceway(['nginx', '-c', '/etc/spliceway/nginx.conf']))
  t.false(isSpliceway(['node', '/opt/spliceway/node_modules/.bin/ava']))
})

test('virtual servers of IPVS', (t) => {
  const table = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A630001:0050 rr
  -> 0A2A0008:1F90      Masq    1      0          0
TCP  [2001:0db8:0000:0000:0000:0000:0000:0002]:01BB rr
UDP  0A630001:0035 rr
`
  t.deepEqual(parseIpvs(table), [
    { host: '10.99.0.1', port: 80 },
    { host: '2001:db8::2', port: 443 },
  ])
})

test('counters of /proc/net/netstat', (t) => {
  const text = 'TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 1 25\nIpExt: InNoRoutes\nIpExt: 3\n'
  t.deepEqual(
    [...parseNetstat(text)],
    [
      ['SyncookiesSent', 1],
      ['ListenOverflows', 25],
    ],
  )
})

test('portmap in a CNI configuration', (t) => {
  t.true(
    hasPortmap(
      '{"plugins": [{"type": "flannel"}, { "type":"portmap", "capabilities": {"portMappings": true}}]}',
    ),
  )
  t.false(hasPortmap('{"type": "cilium-cni"}'))
})

test('an address and its port', (t) => {
  t.deepEqual(hostPort('[::]:80'), { host: '::', port: 80 })
  t.deepEqual(hostPort('gw.test:9080'), { host: 'gw.test', port: 9080 })
  t.is(hostPort('::1:80'), null)
})
