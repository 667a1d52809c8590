import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import test from 'ava'
import { describeHolder, portHolder } from '../../src/linux/port-holder.ts'

const uid = process.getuid?.() ?? -1

async function listen(host: string): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const address = server.address()
  return { server, port: typeof address === 'object' ? (address?.port ?? 0) : 0 }
}

for (const [host, shown] of [
  ['127.0.0.1', '127.0.0.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['::1', '[::1]'],
] as const) {
  test(`a listener on ${host} is found with its process`, async (t) => {
    const { server, port } = await listen(host)
    t.teardown(() => server.close())
    const holder = await portHolder(port)
    t.is(holder?.address, `${shown}:${port}`)
    t.is(holder?.uid, uid)
    t.is(holder?.process?.pid, process.pid)
  })
}

test('a listener of another process is found by its command', async (t) => {
  const program = `const s = require('node:net').createServer().listen(0, '127.0.0.1', () => console.log(s.address().port))`
  const child = spawn(process.execPath, ['--title=some-holder', '-e', program])
  t.teardown(() => child.kill())
  const [line] = await once(child.stdout, 'data')
  const holder = await portHolder(Number(String(line)))
  t.is(holder?.process?.pid, child.pid)
  t.regex(
    holder ? describeHolder(holder) : '',
    new RegExp(`^held by \\S.* \\(pid ${child.pid}\\), uid ${uid}$`),
  )
})

test('a connection on the port is not a holder', async (t) => {
  const { server, port } = await listen('127.0.0.1')
  const client = connect(port, '127.0.0.1')
  const [accepted]: Socket[] = await once(server, 'connection')
  t.teardown(() => {
    client.destroy()
    accepted?.destroy()
  })
  server.close() // stops listening at once, the connection lives on
  t.is(await portHolder(port), undefined)
})

test('a holder whose process is hidden is described by its uid', (t) => {
  t.is(
    describeHolder({ address: '[::]:80', uid: 33, process: null, searched: true }),
    'held by a process of uid 33 (root can see which)',
  )
  t.is(
    describeHolder({ address: '[::]:80', uid: 0, process: { pid: 1234, command: 'nginx' }, searched: true }),
    'held by nginx (pid 1234), uid 0',
  )
})

test.serial('the holder is found behind 36,000 descriptors of others', async (t) => {
  const many = `for (let i = 0; i < 9000; i++) require('node:fs').openSync('/dev/null'); console.log('open'); setInterval(() => {}, 1e6)`
  const crowds = [0, 1, 2, 3].map(() =>
    spawn('sh', ['-c', 'ulimit -n 9100; exec "$0" -e "$1"', process.execPath, many]),
  )
  t.teardown(() => {
    for (const crowd of crowds) crowd.kill()
  })
  await Promise.all(crowds.map((crowd) => once(crowd.stdout, 'data')))
  const program = `const s = require('node:net').createServer().listen(0, '127.0.0.1', () => console.log(s.address().port))`
  const child = spawn(process.execPath, ['-e', program])
  t.teardown(() => child.kill())
  const [line] = await once(child.stdout, 'data')
  const before = process.cpuUsage()
  t.is((await portHolder(Number(String(line)), 30_000))?.process?.pid, child.pid)
  const { user, system } = process.cpuUsage(before)
  // What looking at as many links costs here and now, several times. The promises of node:fs cost 15 times as much.
  const start = process.cpuUsage()
  for (let i = 0; i < 36_000; i++) readlinkSync('/proc/self/exe')
  const links = process.cpuUsage(start)
  const ratio = (user + system) / (links.user + links.system)
  t.true(ratio < 8, `${ratio.toFixed(1)} times`)
  t.log(`${ratio.toFixed(1)} times`)
})

test('a search that was not finished says so', (t) => {
  const holder = { address: '0.0.0.0:80', uid: 0, process: null, searched: false }
  t.is(describeHolder(holder), 'held by a process of uid 0 (there are too many descriptors here to find it)')
})
