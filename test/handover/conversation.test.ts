import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { Giver, type Succession } from '../../src/handover/giver.ts'
import type { Inheritance } from '../../src/handover/inheritance.ts'
import { take } from '../../src/handover/taker.ts'
import { call } from '../../src/handover/talk.ts'
import { loadLibc, must } from '../../src/linux/libc.ts'
import { unixAddress } from '../../src/linux/unix-address.ts'
import { Backend, dialPeer } from '../helpers/peer.ts'
import { Program, run } from '../helpers/program.ts'

const loaded = loadLibc()
if (loaded.kind === 'missing') throw new Error(loaded.reason)
const { libc } = loaded
const uid = process.getuid?.() ?? 0
let scenes = 0

/** A giver with one listening socket, in this process, and a log of both sides. */
async function scene(t: ExecutionContext) {
  const name = `spliceway-test-${process.pid}-${++scenes}`
  const lines: string[] = []
  const waiting: (() => void)[] = []
  const told = (_: object, message: string) => {
    lines.push(message)
    for (const wake of waiting.splice(0)) wake()
  }
  const log = { info: told, warn: told }
  const calls: string[] = []
  const succession: Succession = {
    async yield(doors) {
      calls.push(`yield ${doors.join()}`)
    },
    async resume() {
      calls.push('resume')
    },
    leave: () => calls.push('leave'),
  }
  const backend = await Backend.start()
  const handle: unknown = Reflect.get(backend.server, '_handle')
  const fd = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  const descriptor = must('dup', libc.duplicate(Number(fd)))
  const address = { host: '127.0.0.1', port: backend.port }
  const held = [{ key: `127.0.0.1:${backend.port}`, address, descriptors: [descriptor.n] }]
  const giver = new Giver({ name, libc, uid, program: 'old', log, held: () => held, succession })
  giver.open()
  t.teardown(async () => {
    giver.close()
    libc.close(descriptor)
    await backend.close()
  })
  const line = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = lines.find((each) => pattern.test(each))
      if (found !== undefined) return found
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
  }
  const newcomer = (): Promise<Inheritance> =>
    take({ name, libc, uid, program: 'new', doors: ['tcp 1'], log })
  return { name, backend, calls, lines, line, newcomer, address }
}

test('the newcomer gets the same socket; it accepts, the old one yields, it settles, the old one leaves', async (t) => {
  const { newcomer, calls, line, address, backend } = await scene(t)
  const inheritance = await newcomer()
  t.deepEqual([...inheritance.beside], [address.port])
  const [sockets, ...others] = inheritance.sockets
  t.deepEqual(others, [])
  t.like(sockets, { key: `127.0.0.1:${address.port}`, address })
  t.deepEqual(calls, [])
  await inheritance.accepting()
  t.deepEqual(calls, ['yield tcp 1'])
  await line(new RegExp(`took over from pid ${process.pid}, uid ${uid}: 1 listening socket of 1 listener`))
  await backend.close() // the old one's descriptor: the port stays open in ours
  const client = await dialPeer(address.port)
  client.reset()
  inheritance.settle()
  await line(/handed over to pid/)
  while (!calls.includes('leave')) await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(calls, ['yield tcp 1', 'leave'])
  sockets?.close()
})

test('a newcomer that goes before it accepts changes nothing, and the next one is served', async (t) => {
  const { newcomer, calls, line } = await scene(t)
  const first = await newcomer()
  for (const { close } of first.sockets) close()
  first.abandon()
  await line(/has not taken over: it did not begin to accept \(gone\); this process serves on/)
  const second = await newcomer()
  t.is(second.sockets.length, 1)
  for (const { close } of second.sockets) close()
  second.abandon()
  t.deepEqual(calls, [])
})

test('a newcomer that dies young is followed by the old one, which takes its name again', async (t) => {
  const { newcomer, calls, line } = await scene(t)
  const first = await newcomer()
  for (const { close } of first.sockets) close()
  await first.accepting()
  first.abandon()
  await line(/died \d+ ms after it came: this process accepts again/)
  const second = await newcomer()
  t.is(second.sockets.length, 1)
  for (const { close } of second.sockets) close()
  second.abandon()
  t.deepEqual(calls, ['yield tcp 1', 'resume'])
})

test('a second newcomer at the same time is refused with the reason', async (t) => {
  const { newcomer, line } = await scene(t)
  const first = await newcomer()
  const second = await newcomer()
  t.deepEqual(second.sockets, [])
  await line(/nothing is taken over: @.*: a hand-over to pid \d+, uid \d+ is under way/)
  for (const { close } of first.sockets) close()
  first.abandon()
})

test('nobody at the name is nothing to take over, and nothing to log', async (t) => {
  const lines: string[] = []
  const told = (_: object, message: string) => void lines.push(message)
  const log = { info: told, warn: told }
  const name = `spliceway-test-${process.pid}-nobody`
  const inheritance = await take({ name, libc, uid, program: 'new', doors: [], log })
  t.deepEqual(inheritance.sockets, [])
  t.deepEqual(lines, [])
})

const asRoot = uid === 0 ? test : test.skip
const alone = uid === 0 ? '' : ' (skipped: needs root)'

asRoot(`a stranger who asks is refused and named${alone}`, async (t) => {
  const { name, line } = await scene(t)
  const script = `
    const socket = require('node:net').connect('\\0${name}')
    socket.on('data', (text) => process.stdout.write(text)).on('close', () => process.exit())`
  const said = await run(['setpriv', '--reuid=64081', '--clear-groups', process.execPath, '-e', script])
  t.is(said.out, `{"handover":1,"kind":"refused","reason":"neither our uid 0 nor root's"}\n`)
  t.regex(
    await line(/asked for the listening sockets/),
    /^pid \d+, uid 64081 asked .* and was refused: neither our uid 0/,
  )
})

asRoot(`a stranger who holds the name is not believed${alone}`, async (t) => {
  const { newcomer, line } = await strangersName(t)
  t.deepEqual((await newcomer()).sockets, [])
  t.regex(await line(/nothing is taken over/), /is held by pid \d+, uid 64081, neither our uid 0 nor root's$/)
})

asRoot(`a crowd of strangers does not keep a newcomer away${alone}`, async (t) => {
  const { name, newcomer } = await scene(t)
  const script = `
    let knocks = 0
    const knocked = () => ++knocks === 600 && process.exit()
    for (let i = 0; i < 600; i++) require('node:net').connect('\\0${name}', knocked).on('error', knocked)`
  // This thread waits, so they fill the queue (511 by Node's default) before the newcomer comes.
  const stranger = ['--reuid=64081', '--clear-groups', process.execPath, '-e', script]
  t.is(spawnSync('setpriv', stranger, { timeout: 10_000 }).status, 0)
  const inheritance = await newcomer()
  t.is(inheritance.sockets.length, 1)
  for (const { close } of inheritance.sockets) close()
  inheritance.abandon()
})

test('a newcomer who finds more callers than places tries again', async (t) => {
  const name = `spliceway-test-${process.pid}-crowded`
  const bytes = unixAddress(`@${name}`) ?? t.fail()
  const address = libc.block(bytes.length)
  address.bytes.set(bytes)
  const socket = () => {
    const fd = libc.socket('unix')
    if (typeof fd === 'number') throw new Error(`socket: ${fd}`)
    t.teardown(() => libc.close(fd))
    return fd
  }
  const door = socket()
  must('bind', libc.bind(door, address, address.size))
  must('listen', libc.listen(door, 0)) // room for one
  must('connect', libc.connect(socket(), address, address.size))
  const called = call(name, libc)
  await new Promise((resolve) => setImmediate(resolve))
  const accepted = libc.accept(door, libc.block(128))
  if (typeof accepted !== 'number') libc.close(accepted)
  const { kind } = await called
  t.is(kind, 'talk')
})

/** A process of another uid listens at the name. */
async function strangersName(t: ExecutionContext) {
  const name = `spliceway-test-${process.pid}-${++scenes}`
  const script = `require('node:net').createServer().listen('\\0${name}', () => console.log('listening'))`
  const stranger = await Program.start([
    'setpriv',
    '--reuid=64081',
    '--clear-groups',
    process.execPath,
    '-e',
    script,
  ])
  t.teardown(() => stranger.kill())
  await stranger.line(/listening/)
  const lines: string[] = []
  const told = (_: object, message: string) => void lines.push(message)
  const log = { info: told, warn: told }
  return {
    newcomer: () => take({ name, libc, uid, program: 'new', doors: [], log }),
    line: async (pattern: RegExp) => lines.find((each) => pattern.test(each)) ?? '',
  }
}

test('a newcomer of another version is refused, and the log says which', async (t) => {
  const { name, line, calls } = await scene(t)
  const socket = connect(`\0${name}`)
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text
  })
  socket.write('{"handover":2,"kind":"hello"}\n')
  await once(socket, 'close')
  t.regex(answer, /"refused","reason":"version 2 of the hand-over, this process speaks 1"/)
  await line(/wanted to take over and was refused: version 2 of the hand-over/)
  t.deepEqual(calls, [])
})
