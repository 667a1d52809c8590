import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { Giver, type Successor } from '../../src/handover/giver.ts'
import { take } from '../../src/handover/taker.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { closedPort } from '../helpers/peer.ts'
import { Program } from '../helpers/program.ts'

const loaded = loadLibc()
if (loaded.kind === 'missing') throw new Error(loaded.reason)
const { libc } = loaded
const uid = process.getuid?.() ?? 0
const asRoot = uid === 0 ? test.serial : test.skip
const alone = uid === 0 ? '' : ' (skipped: needs root)'
const cli = fileURLToPath(new URL('../../src/cli.mjs', import.meta.url))
let scenes = 0

function place(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-proof-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Starts one process after the other with these settings of `handover.secret`, and waits for their hand-over. */
async function processes(t: ExecutionContext, secrets: readonly [string, string], user = uid) {
  const folder = place(t)
  const name = `spliceway-test-${process.pid}-${++scenes}`
  const port = await closedPort()
  const run = join(folder, 'run')
  mkdirSync(run, { mode: 0o700 })
  for (const each of [folder, run]) if (user !== uid) chownSync(each, user, user)
  const start = async (secret: string): Promise<Program> => {
    const file = join(folder, `${++scenes}.yaml`)
    writeFileSync(
      file,
      `listeners: [{ name: a, listen: "127.0.0.1:${port}", pool: a }]
pools: { a: { endpoints: ["127.0.0.1:9"], health: off } }
workers: 1
admin: { listen: off, socket: off }
handover: { socket: "@${name}", secret: ${secret} }
drain: { notReadyDelay: 0s }
`,
    )
    const node = [process.execPath, cli, 'run', '-c', file]
    const other = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups']
    const program = await Program.start(user === uid ? node : [...other, ...node], {
      env: { RUNTIME_DIRECTORY: run, CACHE_DIRECTORY: run },
    })
    t.teardown(() => program.kill())
    return program
  }
  const old = await start(secrets[0])
  await old.line(/listening on/)
  const newcomer = await start(secrets[1])
  const given: Line = JSON.parse(await old.line(/"msg":"handed over to/))
  const taken: Line = JSON.parse(await newcomer.line(/"msg":"took over from/))
  const notes = (program: Program) => program.lines.filter((line) => line.includes('only listening sockets'))
  return { run, given, taken, notes: [notes(old), notes(newcomer)] as const }
}

interface Line {
  readonly sockets: number
  readonly proven: boolean
}

test.serial(
  'two processes that read the same file prove it to each other; the first one makes the file',
  async (t) => {
    const { run, given, taken, notes } = await processes(t, ['auto', 'auto'])
    t.deepEqual([given.proven, taken.proven], [true, true])
    t.deepEqual(notes, [[], []])
    t.is(statSync(join(run, 'handover.secret')).mode & 0o777, 0o600)
  },
)

test.serial(
  'two files: listening sockets go over, nobody is proven, and each says in one line what to do',
  async (t) => {
    const folder = place(t)
    const secrets = [join(folder, 'one'), join(folder, 'two')] as const
    const { given, taken, notes } = await processes(t, secrets)
    t.deepEqual([given.proven, taken.proven], [false, false])
    t.deepEqual([given.sockets, taken.sockets], [1, 1])
    for (const lines of notes) {
      t.is(lines.length, 1)
      t.regex(
        lines[0] ?? '',
        /its secret is another one.*have to read the same handover\.secret, a file in a/,
      )
    }
  },
)

test.serial('a file that others may read proves nothing, and the log says what to do', async (t) => {
  const file = join(place(t), 'secret')
  writeFileSync(file, 'x'.repeat(64))
  chmodSync(file, 0o644)
  const { given, taken, notes } = await processes(t, [file, file])
  t.deepEqual([given.proven, taken.proven, given.sockets], [false, false, 1])
  for (const lines of notes) t.regex(lines.join(), /may be opened by others \(mode 644\): chmod 600/)
})

test.serial('a newcomer that cannot have its file proves nothing; the old one says so', async (t) => {
  const { given, taken, notes } = await processes(t, ['auto', '/proc/self/nowhere/secret'])
  t.deepEqual([given.proven, taken.proven, given.sockets], [false, false, 1])
  t.regex(notes[0].join(), /it has no secret \(its log says why\)/)
  t.regex(notes[1].join(), /handover\.secret: \/proc\/self\/nowhere\/secret: /)
})

asRoot(`a file of another user proves nothing to a process that is not root${alone}`, async (t) => {
  const folder = place(t)
  chmodSync(folder, 0o755)
  const file = join(folder, 'secret')
  writeFileSync(file, 'x'.repeat(64), { mode: 0o600 })
  const { given, taken, notes } = await processes(t, [file, file], 64_080)
  t.deepEqual([given.proven, taken.proven, given.sockets], [false, false, 1])
  for (const lines of notes) t.regex(lines.join(), /belongs to uid 0 instead of uid 64080/)
})

/** A giver in this process that has nothing to give but its word. */
function giver(t: ExecutionContext, secret: string) {
  const name = `spliceway-test-${process.pid}-${++scenes}`
  const lines: string[] = []
  const told = (_: object, message: string) => void lines.push(message)
  const log = { info: told, warn: told, error: told }
  const yielded: Successor[] = []
  const waiting: (() => void)[] = []
  /** Resolves when the next newcomer has gone and the name is answered again. */
  const resumed = () => new Promise<void>((resolve) => waiting.push(() => setImmediate(resolve)))
  const giver = new Giver({
    ...{ name, libc, uid, secret, log, program: 'old', inherited: null, held: () => [], doors: [] },
    settled: Promise.resolve(true),
    incumbent: {
      yield: async (_keys, _doors, successor) => void yielded.push(successor),
      async resume() {
        for (const wake of waiting.splice(0)) wake()
      },
      leave() {},
      move() {},
    },
  })
  giver.open()
  t.teardown(() => giver.close())
  const taker = (at: string) => take({ name: at, libc, uid, secret, program: 'new', doors: [], log })
  return { name, lines, yielded, resumed, taker }
}

/** Stands at a name of its own and passes on what both sides say; `heard` sees what comes from the newcomer. */
async function between(t: ExecutionContext, name: string, heard: (text: string) => void) {
  const own = `${name}-between`
  const server = createServer((newcomer: Socket) => {
    const old = connect(`\0${name}`)
    // Descriptors would not get through libuv: none are asked for.
    newcomer.on('data', (bytes) => {
      const text = bytes.toString().replace('"descriptors":true', '"descriptors":false')
      heard(text)
      old.write(text)
    })
    old.on('data', (bytes) => newcomer.write(bytes))
    for (const [one, other] of [
      [newcomer, old],
      [old, newcomer],
    ] as const) {
      one.on('error', () => {}).on('close', () => other.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(`\0${own}`, resolve))
  t.teardown(() => server.close())
  return own
}

test('whoever stands between two that know the secret, and passes on every word, proves nothing', async (t) => {
  const { name, yielded, taker, lines } = giver(t, join(place(t), 'secret'))
  const direct = await taker(name)
  t.true(direct.proven, 'without anybody between')
  direct.abandon()
  if (direct.name !== null) libc.close(direct.name)
  const said: string[] = []
  const own = await between(t, name, (text) => said.push(text))
  const inheritance = await taker(own)
  t.false(inheritance.proven)
  t.is(await inheritance.accepting([]), null)
  t.regex(said.join(), /"accepting".*"proof":"[0-9a-f]{64}"/, 'it has answered with what it knows')
  t.like(yielded, [{ program: 'new', proven: false }])
  t.is(lines.filter((line) => /or somebody stands between/.test(line)).length, 2)
  inheritance.abandon()
})

test('what a proven newcomer said proves nothing when it is said again', async (t) => {
  const { name, yielded, resumed, taker } = giver(t, join(place(t), 'secret'))
  const first = await taker(name)
  t.is(await first.accepting([]), null)
  t.like(yielded, [{ proven: true }])
  const gone = resumed()
  first.abandon()
  if (first.name !== null) libc.close(first.name)
  await gone
  const said: string[] = []
  const own = await between(t, name, (text) => said.push(text))
  const second = await taker(own)
  await second.accepting([])
  const over = resumed()
  second.abandon()
  await over
  const again = connect(`\0${name}`)
  const done = new Promise<void>((resolve) => {
    again.on('data', (bytes) => bytes.includes('"released"') && resolve())
  })
  again.write(said.join(''))
  await done
  again.destroy()
  t.is(yielded.length, 3)
  t.false(yielded[2]?.proven)
})
