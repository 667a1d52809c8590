import { nginxPorts } from '../helpers/nginx.ts'
import { onStage } from './on-stage.ts'
import { edgeAddress, type Stage } from './stage.ts'
import { refused, visit } from './traffic.ts'
import { Visitor } from './visitor.ts'

const test = onStage(1, ['splice', 'net'])

function config(stage: Stage, drain: string): string {
  return `listeners:
  - { name: http, listen: "[::]:80", pool: web }
pools:
  web: { endpoints: ${stage.endpoints(nginxPorts.http)} }
drain: ${drain}
`
}

test('SIGTERM: a download ends whole, and new connections are served until there is none left', async (t, stage) => {
  const deadlineMs = 8_000
  const drain = `{ notReadyDelay: 500ms, window: 1s, deadline: ${deadlineMs}ms }`
  const spliceway = await stage.spliceway(t, config(stage, drain))
  t.is((await spliceway.page('/readyz')).status, 200)
  const downloader = await Visitor.connect(edgeAddress.v4, 80)
  t.teardown(() => downloader.close())
  const download = downloader.get('/slow/file', true)
  await downloader.received(1)

  const startMs = performance.now()
  spliceway.program.tell('SIGTERM')
  await spliceway.log(/draining: not ready any more/)
  t.like(await visit(edgeAddress.v4, 80), { error: null })
  t.deepEqual(await spliceway.page('/readyz'), { status: 503, body: 'draining\n' })
  await spliceway.log(/accepts on until the first moment without a connection, 1 connection left/)
  t.like(await visit(edgeAddress.v4, 80), { error: null })
  t.is(downloader.ending, null)
  t.true((await download).body.equals(stage.file))
  t.deepEqual(await spliceway.program.exit, { code: 0, signal: null })
  t.true(performance.now() - startMs < deadlineMs, 'it ends when nothing is left, not at the deadline')
  await refused(edgeAddress.v4, 80)
  const [first, ...others] = (await spliceway.told(3)).map(({ cause, bytesDown }) => ({ cause, bytesDown }))
  t.is(first?.cause, 'none')
  t.true(others.some(({ cause, bytesDown }) => cause === 'none' && bytesDown > stage.file.length))
})

test('SIGTERM: in the window silent connections get FIN, at the deadline busy ones a reset, and the exit code is 0', async (t, stage) => {
  // A request after the other is no silence of a second, whatever else the machine does.
  const drain = '{ notReadyDelay: 100ms, window: 1500ms, deadline: 3s, idleAfter: 1s }'
  const spliceway = await stage.spliceway(t, config(stage, drain))
  const silent = await Visitor.connect(edgeAddress.v4, 80)
  const busy = await Visitor.connect(edgeAddress.v4, 80)
  t.teardown(() => {
    silent.close()
    busy.close()
  })
  await silent.get('/')
  await busy.get('/')

  const startMs = performance.now()
  const after = () => performance.now() - startMs
  spliceway.program.tell('SIGTERM')
  const silentEnd = silent.ended().then((ending) => ({ ending, ms: after() }))
  const busyEnd = talk(busy).then(() => ({ ending: busy.ending, ms: after() }))
  const quiet = await silentEnd
  t.is(quiet.ending, 'fin')
  t.true(
    quiet.ms >= 1_490,
    `silent connections are left alone before the window, this one ended after ${quiet.ms} ms`,
  )
  const talked = await busyEnd
  t.is(talked.ending, 'rst')
  t.true(talked.ms >= 2_990, `busy connections live until the deadline, this one ended after ${talked.ms} ms`)
  t.deepEqual(await spliceway.program.exit, { code: 0, signal: null })
  t.true(after() < 3_000 + 5_000, `it ended after ${after()} ms`)
  t.deepEqual(
    (await spliceway.told(2)).map(({ cause, closed }) => `${cause} ${closed.first} ${closed.how}`),
    ['admin proxy fin', 'admin proxy kill'],
  )
})

/** Request after request until the connection ends. */
async function talk(visitor: Visitor): Promise<void> {
  try {
    for (;;) await visitor.get('/')
  } catch {
    // That is the end.
  }
}

for (const [first, second] of [
  ['SIGTERM', 'SIGTERM'],
  ['SIGTERM', 'SIGINT'],
  ['SIGINT', 'SIGTERM'],
] as const) {
  test(`${second} after ${first} ends it at once: a reset, a line for each connection, and one that says so`, async (t, stage) => {
    const spliceway = await stage.spliceway(
      t,
      config(stage, '{ notReadyDelay: 20s, window: 5s, deadline: 30s }'),
    )
    const client = await Visitor.connect(edgeAddress.v4, 80)
    t.teardown(() => client.close())
    await client.get('/')
    spliceway.program.tell(first)
    await spliceway.log(/draining: not ready any more/)
    t.is(client.ending, null)
    const startMs = performance.now()
    spliceway.program.tell(second)
    t.deepEqual(await spliceway.program.exit, { code: 0, signal: null })
    t.true(performance.now() - startMs < 10_000) // and not after the 20 s of notReadyDelay
    t.is(await client.ended(), 'rst')
    t.is(await spliceway.log(/ends now/), `${second}: ends now, what is left is reset`)
    const [told] = await spliceway.told(1)
    t.is(`${told?.cause} ${told?.closed.first} ${told?.closed.how}`, 'admin proxy kill')
    t.is(spliceway.program.lines.at(-1)?.includes('"msg":"stopped"'), true)
  })
}

test('SIGINT: with a connection open it stops accepting at once', async (t, stage) => {
  const spliceway = await stage.spliceway(
    t,
    config(stage, '{ notReadyDelay: 20s, window: 5s, deadline: 30s }'),
  )
  const client = await Visitor.connect(edgeAddress.v4, 80)
  t.teardown(() => client.close())
  await client.get('/')
  spliceway.program.tell('SIGINT')
  t.regex(await spliceway.log(/accepting has stopped/), /accepting has stopped, 1 connection left$/)
  await refused(edgeAddress.v4, 80)
  t.is((await client.get('/')).status, 200)
  client.close()
  t.deepEqual(await spliceway.program.exit, { code: 0, signal: null })
})

test('in a Pod a second SIGTERM changes nothing, and SIGINT ends it', async (t, stage) => {
  const file = stage.configFile(config(stage, '{ notReadyDelay: 20s, window: 5s, deadline: 30s }'))
  const spliceway = await stage.splicewayWith(t, file, { KUBERNETES_SERVICE_HOST: '192.0.2.1' })
  const client = await Visitor.connect(edgeAddress.v4, 80)
  t.teardown(() => client.close())
  await client.get('/')
  spliceway.program.tell('SIGTERM')
  await spliceway.log(/draining: not ready any more/)
  spliceway.program.tell('SIGTERM')
  await spliceway.log(/SIGTERM again: the drain goes on/)
  t.is((await client.get('/')).status, 200)
  spliceway.program.tell('SIGINT')
  t.is(await client.ended(), 'rst')
  t.deepEqual(await spliceway.program.exit, { code: 0, signal: null })
})

test('spliceway drain does what SIGTERM does and does not wait for the end; SIGTERM after it means the same', async (t, stage) => {
  const spliceway = await stage.spliceway(
    t,
    config(stage, '{ notReadyDelay: 200ms, window: 5s, deadline: 30s }'),
  )
  const client = await Visitor.connect(edgeAddress.v4, 80)
  t.teardown(() => client.close())
  await client.get('/')
  const said = await spliceway.command('drain')
  t.like(said, { code: 0, out: 'draining: ends when the last connection does, within 30s\n', err: '' })
  await spliceway.log(/accepts on until the first moment without a connection/)
  spliceway.program.tell('SIGTERM')
  t.is((await client.get('/')).status, 200)
  client.close()
  t.deepEqual(await spliceway.program.exit, { code: 0, signal: null })
})
