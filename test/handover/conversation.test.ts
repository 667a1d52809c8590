import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import type { HeldSockets } from '../../src/core/inherited.ts'
import { Giver, type GiverOptions, type Incumbent } from '../../src/handover/giver.ts'
import type { Inheritance } from '../../src/handover/inheritance.ts'
import { take } from '../../src/handover/taker.ts'
import { call } from '../../src/handover/talk.ts'
import type { Fd } from '../../src/linux/fd.ts'
import { must } from '../../src/linux/libc.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { unixAddress } from '../../src/linux/unix-address.ts'
import { Backend, dialPeer } from '../helpers/peer.ts'
import { Program, run } from '../helpers/program.ts'

const loaded = loadLibc()
if (loaded.kind === 'missing') throw new Error(loaded.reason)
const { libc } = loaded
const uid = process.getuid?.() ?? 0
let scenes = 0

/** A giver with one listening socket, in this process, and a log of both sides. A newcomer proves itself in 200 ms. */
async function scene(t: ExecutionContext, options: Partial<GiverOptions> = {}) {
  const name = `spliceway-test-${process.pid}-${++scenes}`
  const lines: string[] = []
  const waiting: (() => void)[] = []
  const told = (_: object, message: string) => {
    lines.push(message)
    for (const wake of waiting.splice(0)) wake()
  }
  const log = { info: told, warn: told, error: told }
  const calls: string[] = []
  const incumbent: Incumbent = {
    async yield(keys, doors) {
      calls.push(`yield ${keys.join()} ${doors.join()}`)
    },
    async resume() {
      calls.push('resume')
    },
    leave: () => calls.push('leave'),
    move: () => calls.push('move'),
  }
  const backend = await Backend.start()
  const handle: unknown = Reflect.get(backend.server, '_handle')
  const fd = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  const descriptor = must('dup', libc.duplicate(Number(fd)))
  const address = { host: '127.0.0.1', port: backend.port }
  const key = `127.0.0.1:${backend.port}`
  const held: HeldSockets[] = [{ key, address, descriptors: [descriptor.n], shared: false }]
  const settled = Promise.resolve(true)
  const doors = ['tcp 1', 'tcp 3']
  const common = { libc, uid, program: 'old', log, held: () => held, doors, incumbent }
  /** Another process that has the sockets and waits at the name. */
  const first = (name: string, inherited: Fd | null = null) => {
    const other = new Giver({ ...common, name, inherited, settled })
    other.open()
    return other
  }
  const giver = new Giver({ ...common, name, inherited: null, settled, ...options })
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
    take({ name, libc, uid, program: 'new', doors: ['tcp 1', 'tcp 2'], log, probationMs: 200 })
  return { name, backend, calls, lines, line, newcomer, address, giver, first, held }
}

/** What a newcomer accepts from: all that it got. */
const keysOf = ({ sockets }: Inheritance): string[] => sockets.map(({ key }) => key)

function close({ sockets, name }: Inheritance): void {
  for (const { close } of sockets) close()
  if (name !== null) libc.close(name)
}

test('the newcomer gets the same socket; it accepts, the old one yields, it settles, the old one leaves', async (t) => {
  const { newcomer, calls, line, address, backend } = await scene(t)
  const inheritance = await newcomer()
  t.deepEqual([...inheritance.beside], [address.port])
  const [sockets, ...others] = inheritance.sockets
  t.deepEqual(others, [])
  const key = `127.0.0.1:${address.port}`
  t.like(sockets, { key, address })
  t.deepEqual(inheritance.doors, ['tcp 1'], 'of the doors that it named, the other one has this')
  t.deepEqual(calls, [])
  t.is(await inheritance.accepting(keysOf(inheritance)), null)
  t.deepEqual(calls, [`yield ${key} tcp 1,tcp 2`])
  await line(new RegExp(`took over from pid ${process.pid}, uid ${uid}: 1 listening socket of 1 listener`))
  await backend.close() // the old one's descriptor: the port stays open in ours
  const client = await dialPeer(address.port)
  client.reset()
  t.deepEqual(await inheritance.fate(), { kind: 'settled', channel: null })
  await line(/handed over to pid/)
  t.deepEqual(calls, [`yield ${key} tcp 1,tcp 2`, 'leave'])
  close(inheritance)
})

test('a newcomer that goes before it accepts changes nothing, and the next one is served', async (t) => {
  const { newcomer, calls, line } = await scene(t)
  const first = await newcomer()
  close(first)
  first.abandon()
  await line(/has not taken over: it did not begin to accept \(gone\); this process serves on/)
  const second = await newcomer()
  t.is(second.sockets.length, 1)
  close(second)
  second.abandon()
  t.deepEqual(calls, [])
})

for (const [when, wait] of [
  ['at once', 0],
  ['in the middle of its probation', 100],
] as const) {
  test(`a newcomer that goes ${when} is followed by the old one, which answers at its name again`, async (t) => {
    const { newcomer, calls, line } = await scene(t)
    const first = await newcomer()
    await first.accepting([])
    const fate = first.fate()
    await new Promise((resolve) => setTimeout(resolve, wait))
    first.abandon()
    close(first)
    t.deepEqual(await fate, { kind: 'withdrawn' })
    await line(/has gone, \d+ ms after it came: this process accepts again/)
    const second = await newcomer()
    t.is(second.sockets.length, 1)
    close(second)
    second.abandon()
    t.deepEqual(calls, ['yield  tcp 1,tcp 2', 'resume'])
  })
}

test('a newcomer that hangs in its probation is noticed, the old one accepts again, and the newcomer learns of it', async (t) => {
  const { newcomer, calls, line } = await scene(t)
  const first = await newcomer()
  await first.accepting([])
  // It does not call fate(), and so says nothing, as a process that is stopped.
  await line(/gave no sign of life for 3000 ms, \d+ ms after it came: this process accepts again/)
  t.deepEqual(calls, ['yield  tcp 1,tcp 2', 'resume'])
  t.deepEqual(await first.fate(), { kind: 'reclaimed', reason: 'gave no sign of life for 3000 ms' })
  close(first)
})

test('a newcomer that is not waited for any longer learns of it when it comes back', async (t) => {
  const { newcomer, calls, line } = await scene(t, { acceptMs: 50 })
  const first = await newcomer()
  await line(/has not taken over: it did not begin to accept \(silent\)/)
  t.is(await first.accepting(keysOf(first)), 'it did not begin to accept (silent)')
  t.deepEqual(calls, [])
  first.abandon()
  close(first)
})

test('the old one dies before it lets go, or in the probation: the newcomer stays', async (t) => {
  const name = `spliceway-test-${process.pid}-${++scenes}`
  const said: string[] = []
  for (const last of ['accepting', 'beat']) {
    const server = createServer((socket) => {
      socket.on('data', (bytes) => {
        for (const line of bytes.toString().trimEnd().split('\n')) {
          const { kind } = JSON.parse(line)
          said.push(kind)
          if (kind === 'hello') socket.write(offerNothing(1))
          else if (kind === last) socket.destroy()
          else socket.write('{"handover":1,"kind":"released"}\n')
        }
      })
    })
    server.listen(`\0${name}`)
    await once(server, 'listening')
    const log = { info() {}, warn() {}, error() {} }
    const inheritance = await take({ name, libc, uid, program: 'new', doors: [], log })
    t.is(await inheritance.accepting([]), null)
    t.deepEqual(await inheritance.fate(), { kind: 'settled', channel: null })
    server.close()
    await once(server, 'close')
  }
  t.deepEqual(said.slice(0, 2), ['hello', 'accepting'])
})

test('of three in a row, the last one waits until the one in the middle is proven', async (t) => {
  const proven = Promise.withResolvers<boolean>()
  const { newcomer, line } = await scene(t, { settled: proven.promise })
  const third = newcomer()
  await line(/has just been taken over itself: waiting until that is settled/)
  proven.resolve(true)
  const inheritance = await third
  t.is(inheritance.sockets.length, 1)
  close(inheritance)
  inheritance.abandon()
})

test('of three in a row, the one in the middle has to go: the last one gets its sockets from the first', async (t) => {
  const proven = Promise.withResolvers<boolean>()
  const { name, newcomer, line, giver, first } = await scene(t, { settled: proven.promise })
  const third = newcomer()
  await line(/waiting until that is settled/)
  giver.close()
  const again = first(name)
  proven.resolve(false)
  const inheritance = await third
  t.is(inheritance.sockets.length, 1)
  again.close()
  close(inheritance)
  inheritance.abandon()
})

test('the name goes over with the sockets: nobody can take it, and calls are answered by the newcomer', async (t) => {
  const { name, newcomer, giver, first } = await scene(t)
  const inheritance = await newcomer()
  t.not(inheritance.name, null)
  await inheritance.accepting([])
  const taken = createServer().listen(`\0${name}`)
  const [error] = await once(taken, 'error')
  t.is(error.code, 'EADDRINUSE')
  t.deepEqual(await inheritance.fate(), { kind: 'settled', channel: null })
  giver.close()
  const called = newcomer() // before anybody listens: it waits in the queue
  const heir = first(name, inheritance.name)
  const next = await called
  t.is(next.sockets.length, 1)
  close(next)
  next.abandon()
  heir.close()
  for (const { close } of inheritance.sockets) close()
})

test('descriptors that are something else than what they are said to be are not used, and said to be so', async (t) => {
  const { newcomer, line, held, address } = await scene(t)
  const pipe = libc.pipe()
  if (typeof pipe === 'number') throw new Error('no pipe')
  const [there] = held
  const own = there?.descriptors[0] ?? -1
  held.push({ ...there, key: 'pipe', address, descriptors: [pipe.read.n], shared: false })
  held.push({ ...there, key: 'port', address: { ...address, port: 1 }, descriptors: [own], shared: false })
  held.push({
    ...there,
    key: 'host',
    address: { ...address, host: '::1' },
    descriptors: [own],
    shared: false,
  })
  held.push({ ...there, key: 'good', address, descriptors: [own, own], shared: false })
  const inheritance = await newcomer()
  t.deepEqual(
    inheritance.sockets.map(({ key, descriptors }) => [key, descriptors.length]),
    [
      [`127.0.0.1:${address.port}`, 1],
      ['good', 2],
    ],
  )
  await line(/a descriptor for 127\.0\.0\.1:\d+ is not used: it is no listening TCP socket/)
  await line(/a descriptor for 127\.0\.0\.1:1 is not used: it is bound to 127\.0\.0\.1:\d+/)
  await line(/a descriptor for \[::1\]:\d+ is not used: it is bound to 127\.0\.0\.1:\d+/)
  close(inheritance)
  inheritance.abandon()
  libc.close(pipe.read)
  libc.close(pipe.write)
})

test('one of the first programs takes over: it is told nothing that it does not know', async (t) => {
  const { name, calls } = await scene(t)
  const socket = connect(`\0${name}`)
  const said: { kind: string; name?: boolean }[] = []
  const heard = Promise.withResolvers<void>()
  socket.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.trimEnd().split('\n')) said.push(JSON.parse(line))
    if (said.at(-1)?.kind === 'released') heard.resolve()
  })
  socket.write(
    '{"handover":1,"kind":"hello","pid":1,"program":"0.1.0","descriptors":true,"doors":["tcp 1"]}\n',
  )
  socket.write('{"handover":1,"kind":"accepting"}\n')
  await heard.promise
  t.deepEqual(
    said.map(({ kind, name }) => [kind, name]),
    [
      ['sockets', false],
      ['released', undefined],
    ],
  )
  t.regex(calls.join(), /^yield 127\.0\.0\.1:\d+ tcp 1$/)
  socket.write('{"handover":1,"kind":"settled"}\n')
  await once(socket, 'close')
  t.is(calls.at(-1), 'leave')
})

test('one of the first programs calls while this one has to prove itself: it is refused', async (t) => {
  const { name } = await scene(t, { settled: new Promise(() => {}) })
  const socket = connect(`\0${name}`)
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text
  })
  socket.write('{"handover":1,"kind":"hello","pid":1,"program":"0.1.0","descriptors":true,"doors":[]}\n')
  await once(socket, 'close')
  t.regex(answer, /"refused","reason":"this process has just taken over itself: try again"/)
})

test('one of the first programs hands over: it hears no beat, which it would take for the last word', async (t) => {
  const name = `spliceway-test-${process.pid}-${++scenes}`
  const said: string[] = []
  const server = createServer((socket) => {
    socket.on('data', (bytes) => {
      for (const line of bytes.toString().trimEnd().split('\n')) {
        const { kind } = JSON.parse(line)
        said.push(kind)
        if (kind === 'hello') socket.write(offerNothing(null))
        else if (kind === 'accepting') socket.write('{"handover":1,"kind":"released"}\n')
      }
    })
  })
  server.listen(`\0${name}`)
  await once(server, 'listening')
  const log = { info() {}, warn() {}, error() {} }
  const inheritance = await take({
    name,
    libc,
    uid,
    program: 'new',
    doors: ['tcp 1'],
    log,
    probationMs: 1_500,
  })
  t.deepEqual(inheritance.doors, ['tcp 1'], 'it does not say which it has')
  t.is(await inheritance.accepting([]), null)
  t.deepEqual(await inheritance.fate(), { kind: 'settled', channel: null })
  server.close()
  await once(server, 'close')
  t.deepEqual(said, ['hello', 'accepting', 'settled'])
})

/** An answer without a socket; `revision` null: of one of the first programs. */
function offerNothing(revision: number | null): string {
  const message = { handover: 1, kind: 'sockets', pid: 1, program: 'old', listeners: [], more: false }
  return `${JSON.stringify(revision === null ? message : { ...message, revision })}\n`
}

test('a second newcomer at the same time is refused with the reason', async (t) => {
  const { newcomer, line } = await scene(t)
  const first = await newcomer()
  const second = await newcomer()
  t.deepEqual(second.sockets, [])
  await line(/nothing is taken over: @.*: a hand-over to pid \d+, uid \d+ is under way/)
  close(first)
  first.abandon()
})

test('nobody at the name is nothing to take over, and nothing to log', async (t) => {
  const lines: string[] = []
  const told = (_: object, message: string) => void lines.push(message)
  const log = { info: told, warn: told, error: told }
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
  close(inheritance)
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
  const log = { info: told, warn: told, error: told }
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

test('endpoints that were drained by hand are told of, many in a message of their own', async (t) => {
  const drained = Array.from({ length: 250 }, (_, i) => ({ pool: 'web', endpoint: `10.0.0.${i}:80` }))
  const { newcomer } = await scene(t, { drained: () => drained })
  const inheritance = await newcomer()
  t.is(inheritance.sockets.length, 1)
  t.deepEqual(inheritance.drained, drained.slice(0, 200))
  inheritance.abandon()
  close(inheritance)
})
