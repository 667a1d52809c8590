import type { Explanation } from '../core/connection.ts'
import type { TcpView } from '../core/tcp-view.ts'
import { roughly, tookText } from '../core/wording.ts'
import { byteCount } from './byte-count.ts'
import { ask, type CommandOptions, complain } from './client.ts'
import { shortDuration } from './duration.ts'
import { exitCode } from './exit-code.ts'
import { table } from './table.ts'

export interface ExplainOptions extends CommandOptions {
  readonly id: string
  readonly json: boolean
}

/** `spliceway explain ID`: how a connection came about, who waits for whom, what the kernel knows of it. */
export async function explain(options: ExplainOptions): Promise<number> {
  const reply = await ask(options.socket, 'GET', `/connections/${encodeURIComponent(options.id)}`)
  if (reply.kind === 'unreachable') return complain(options, reply.message)
  if (reply.status !== 200) return complain(options, reply.body.trim())
  if (options.json) {
    options.out.write(reply.body)
    return exitCode.ok
  }
  const explanation = parse(reply.body)
  if (explanation === undefined)
    return complain(options, `what answers at ${options.socket} is not spliceway`)
  options.out.write(renderExplanation(explanation))
  return exitCode.ok
}

export function renderExplanation(explanation: Explanation): string {
  const { id, client, listener, pool, endpoint, state, ageMs, idleMs, connectMs, attempts, waits } =
    explanation
  const { bytesUp, bytesDown, heldUp, heldDown, tcp } = explanation
  const connected = connectMs === null ? 'not connected' : `connected after ${tookText(connectMs)}`
  const head = [
    `${id}: ${client} by listener ${listener} to ${endpoint ?? 'no endpoint yet'} of ${pool === null ? 'no pool yet' : `pool ${pool}`}`,
    `${state} for ${shortDuration(ageMs)}, ${connected}, silent for ${shortDuration(idleMs)}`,
    `up ${byteCount(bytesUp)} (${byteCount(heldUp)} held), down ${byteCount(bytesDown)} (${byteCount(heldDown)} held)`,
    `waits for: ${waits.for} (${waits.why})`,
  ]
  const dials = attempts.map((each) => [each.endpoint, tookText(each.ms), each.error ?? 'connected'])
  const tried = dials.length === 0 ? '' : `\n${table(['dialed', 'took', 'result'], dials)}`
  return `${head.join('\n')}\n${tried}\n${tcpTable(tcp.client, tcp.endpoint)}`
}

function tcpTable(client: TcpView | null, endpoint: TcpView | null): string {
  if (client === null && endpoint === null) return 'the kernel cannot be asked about its sockets here\n'
  const row = (name: string, cell: (tcp: TcpView) => string): string[] => [
    name,
    ...[client, endpoint].map((tcp) => (tcp === null ? '' : cell(tcp))),
  ]
  return table(
    ['tcp', 'client', 'gateway'],
    [
      row('round trip', ({ rttMs }) => `${rttMs} ms`),
      row('shortest', ({ minRttMs }) => `${minRttMs} ms`),
      row('sent again', ({ retransmits }) => String(retransmits)),
      row('came out of order', ({ outOfOrder }) => String(outOfOrder)),
      row('takes', ({ deliveryRate }) => `${byteCount(deliveryRate)}/s`),
      row('busy for', ({ busyMs }) => roughly(busyMs)),
      row('of it its window closed', ({ peerWindowMs }) => roughly(peerWindowMs)),
      row('of it our buffer full', ({ sendBufferMs }) => roughly(sendBufferMs)),
      row('not acknowledged', ({ unacknowledgedBytes }) => byteCount(unacknowledgedBytes)),
      row('not read by us', ({ unreadBytes }) => byteCount(unreadBytes)),
      row('last heard', ({ heardMs }) => (heardMs === null ? 'never' : `${roughly(heardMs)} ago`)),
      row('last told', ({ toldMs }) => (toldMs === null ? 'never' : `${roughly(toldMs)} ago`)),
    ],
  )
}

/** undefined: the text is not an explanation. */
function parse(body: string): Explanation | undefined {
  try {
    const value: Explanation | null = JSON.parse(body)
    return value?.waits && value.attempts && value.tcp ? value : undefined
  } catch {
    return undefined
  }
}
