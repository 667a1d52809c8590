import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { Config } from '../../src/config/config.ts'
import { configOf, Forwarder, type ForwarderOptions, usualListener } from '../helpers/forwarder.ts'
import { Backend, dialPeer, echo, turnedAway } from '../helpers/peer.ts'

interface Teardown {
  teardown(fn: () => unknown): void
}

function folder(t: Teardown): string {
  const path = mkdtempSync(join(tmpdir(), 'spliceway-lists-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

async function scene(t: Teardown, listener: ForwarderOptions['listener']) {
  const backend = await Backend.start({ onPeer: echo })
  t.teardown(() => backend.close())
  const options: ForwarderOptions = {
    plane: 'auto',
    endpoints: [backend.port],
    ...(listener && { listener }),
    alsoPools: ['other'],
  }
  let config = configOf(options)
  const source = { name: 'edge.yaml', load: () => ({ kind: 'ok', config, warnings: [] }) as const }
  const forwarder = await Forwarder.start({ ...options, config, source })
  t.teardown(() => forwarder.close())
  const reload = (changes: Partial<Config>) => {
    config = { ...config, ...changes }
    return forwarder.app.reload()
  }
  return { forwarder, reload }
}

/** Whether a client of 127.0.0.1 is served; one that is not may be reset before it has said a word. */
async function isServed(port: number): Promise<boolean> {
  try {
    const client = await dialPeer(port)
    client.socket.on('error', () => {})
    await client.write('word')
    const answer = await client.read(4)
    client.socket.destroy()
    return answer.toString() === 'word'
  } catch {
    return false
  }
}

/** Workers hear of a list a moment after the log does: until then clients are served. */
async function untilDenied(port: number): Promise<'rst' | 'fin'> {
  while (await isServed(port)) {}
  return turnedAway(port)
}

test.serial(
  'a list in a file is in force when it changes, and the last good one stays when it goes',
  async (t) => {
    const path = join(folder(t), 'deny.txt')
    writeFileSync(path, '192.0.2.0/24 # nobody here\n')
    const { forwarder } = await scene(t, { deny: { kind: 'file', path } })
    t.true(await isServed(forwarder.port))
    writeFileSync(`${path}.new`, '127.0.0.0/8\n')
    renameSync(`${path}.new`, path)
    await forwarder.line(/deny: file .* is another one: 1 ranges/)
    t.is(await untilDenied(forwarder.port), 'rst')
    const series = 'spliceway_range_file_current{listener="main",list="deny"}'
    t.is(await forwarder.metric(series), 1)
    rmSync(path)
    await forwarder.line(/the last good list stays/)
    t.is(await turnedAway(forwarder.port), 'rst')
    t.is(await forwarder.metric(series), 0)
  },
)

test.serial('a reload that changes lists and routes touches no connection', async (t) => {
  const { forwarder, reload } = await scene(t, {})
  const client = await dialPeer(forwarder.port)
  await client.write('one')
  t.is((await client.read(3)).toString(), 'one')
  const denied = await reload({
    listeners: [
      {
        ...usualListener,
        deny: { kind: 'listed', cidrs: [{ family: 4, bytes: Uint8Array.of(127, 0, 0, 0), prefix: 8 }] },
        routes: [{ sni: ['shop.example'], alpn: [], pool: 'other' }],
      },
    ],
  })
  t.true(denied.ok, denied.message)
  t.is(await untilDenied(forwarder.port), 'rst')
  await client.write('two')
  t.is((await client.read(3)).toString(), 'two')
  const missing = { ...usualListener, allow: { kind: 'file', path: '/does/not/exist' } } as const
  const refused = await reload({ listeners: [missing] })
  t.false(refused.ok)
  t.regex(refused.message, /listener main: allow: file \/does\/not\/exist cannot be read/)
  t.is(await turnedAway(forwarder.port), 'rst')
  client.end()
  t.is(await client.ended(), 'fin')
})

test.serial('a list that cannot be read is refused at the start', async (t) => {
  const path = join(folder(t), 'allow.txt')
  writeFileSync(path, '# nobody yet\n')
  for (const [file, why] of [
    [path, /allow: file .* is empty/],
    [`${path}.none`, /allow: file .* cannot be read/],
  ] as const) {
    const error = await t.throwsAsync(
      Forwarder.start({ plane: 'auto', endpoints: [1], listener: { allow: { kind: 'file', path: file } } }),
    )
    t.regex(error?.message ?? '', why)
  }
})
