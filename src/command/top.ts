import type { ReadStream, WriteStream } from 'node:tty'
import { ask, type CommandOptions, complain } from './client.ts'
import { parseListing } from './connections.ts'
import { exitCode } from './exit-code.ts'
import { parseStatus } from './status.ts'
import { bytesOf, endpointBytesOf, type Order, type Sample, topPicture } from './top-picture.ts'

export interface TopOptions extends CommandOptions {
  /** Both are terminals: the picture is live until `q`; null: one picture. */
  readonly screen: { readonly input: ReadStream; readonly output: WriteStream } | null
  readonly nowMs: () => number
}

/** Between two pictures, and between the two samples of a single one. */
const intervalMs = 1_000
/** A terminal that does not say how large it is. */
const usual = { columns: 80, rows: 24 }

const keys: Readonly<Record<string, Order>> = { a: 'active', b: 'bytes', s: 'state', e: 'endpoint' }
const keysText = 'q quits; sorted by  a active  b bytes  s state  e endpoint;  c clients or endpoints'
/** Thousands of connections at the pace of a busy program. */
const listMs = 30_000

/** `spliceway top`. Resolves to the exit code. */
export async function top(options: TopOptions): Promise<number> {
  const first = await sample(options, options.screen === null)
  if (typeof first === 'string') return complain(options, first)
  if (options.screen !== null) return live(options, options.screen, first)
  await new Promise((resolve) => setTimeout(resolve, intervalMs))
  const second = await sample(options, true)
  if (typeof second === 'string') return complain(options, second)
  options.out.write(topPicture(first, second, { order: 'active', show: 'both', width: usual.columns }))
  return exitCode.ok
}

/** What is known now, or why it is not. `clients`: connections too, which costs more the more there are. */
async function sample({ socket, nowMs }: TopOptions, clients: boolean): Promise<Sample | string> {
  const [status, metrics, listing] = await Promise.all([
    ask(socket, 'GET', '/status'),
    ask(socket, 'GET', '/metrics'),
    clients ? ask(socket, 'GET', '/connections', listMs) : null,
  ])
  if (status.kind === 'unreachable') return status.message
  if (metrics.kind === 'unreachable') return metrics.message
  const picture = status.status === 200 ? parseStatus(status.body) : undefined
  if (picture === undefined) return `what answers at ${socket} is not spliceway`
  const listed = listing?.kind === 'answered' ? parseListing(listing.body) : undefined
  return {
    atMs: nowMs(),
    status: picture,
    bytes: bytesOf(metrics.body),
    endpointBytes: endpointBytesOf(metrics.body),
    connections: listed?.connections ?? null,
  }
}

/** The other screen of the terminal, as editors use it: what was there before is there again afterwards. */
const enter = '\x1b[?1049h\x1b[?25l'
const leave = '\x1b[?25h\x1b[?1049l'

async function live(
  options: TopOptions,
  { input, output }: NonNullable<TopOptions['screen']>,
  first: Sample,
): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<string | null>()
  let [before, now] = [first, first]
  let order: Order = 'active'
  let show: 'endpoints' | 'clients' = 'endpoints'
  const draw = (): void => {
    const { columns = usual.columns, rows = usual.rows } = output
    const picture = topPicture(before, now, { order, show, width: columns, height: rows - 1 })
    const lines = `${picture}${keysText.slice(0, columns)}`.split('\n').slice(0, rows)
    // Each line ends by clearing what the one before it left there; nothing flickers.
    output.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
  }
  const look = async (): Promise<void> => {
    const next = await sample(options, show === 'clients')
    if (typeof next === 'string') return resolve(next)
    ;[before, now] = [now, next]
    draw()
  }
  const pressed = (bytes: Buffer): void => {
    for (const key of bytes.toString('latin1')) {
      if (key === 'q' || key === '\x03' || key === '\x04') {
        resolve(null)
        return
      }
      if (key === 'c') show = show === 'clients' ? 'endpoints' : 'clients'
      order = (Object.hasOwn(keys, key) ? keys[key] : undefined) ?? order
    }
    draw()
  }
  const quit = (): void => resolve(null)
  let timer: NodeJS.Timeout | null = null
  const again = (): void => {
    timer = setTimeout(() => void look().finally(() => timer !== null && again()), intervalMs)
  }
  output.write(enter)
  input.setRawMode(true)
  input.on('data', pressed).once('end', quit)
  output.on('resize', draw)
  process.once('SIGTERM', quit).once('SIGHUP', quit)
  draw()
  again()
  const failed = await promise
  if (timer !== null) clearTimeout(timer)
  timer = null
  input.off('data', pressed).off('end', quit).pause()
  output.off('resize', draw)
  process.off('SIGTERM', quit).off('SIGHUP', quit)
  input.setRawMode(false)
  output.write(leave)
  return failed === null ? exitCode.ok : complain(options, failed)
}
