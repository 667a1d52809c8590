import type { Socket } from '../../linux/tcp-table.ts'
import type { Facts } from '../facts.ts'
import { advice, type Finding } from '../finding.ts'
import {
  holderText,
  isNarrower,
  isSpliceway,
  listenersAt,
  ownersOf,
  showPort,
  stopHolder,
} from '../holder.ts'
import { hostPort, listenText, type SubjectListener } from '../subject.ts'

/** Who else holds a port that is configured. */
export function taken(facts: Facts): readonly Finding[] {
  const admin = facts.subject.admin
  const page = admin === null ? [] : foreign(facts, admin).map((socket) => adminTaken(facts, socket))
  return [
    ...facts.subject.listeners.flatMap((listener) =>
      foreign(facts, listener).flatMap((socket) =>
        isBound(facts, listener) ? beside(facts, listener, socket) : inTheWay(facts, listener, socket),
      ),
    ),
    ...page,
  ]
}

/** Sockets of others than spliceway. One whose owner is not known is another's unless a spliceway runs. */
function foreign(facts: Facts, at: { readonly host: string; readonly port: number }): readonly Socket[] {
  return listenersAt(facts, at).filter((socket) => {
    const owners = ownersOf(facts, socket)
    if (owners.length === 0) return facts.running.kind === 'nobody'
    return !owners.some((owner) => isSpliceway(owner, facts))
  })
}

/** Whether the running process listens there. */
function isBound({ running }: Facts, { port }: SubjectListener): boolean {
  if (running.kind !== 'answers') return false
  return running.status.listeners.some(({ address }) => hostPort(address)?.port === port)
}

function inTheWay(facts: Facts, listener: SubjectListener, socket: Socket): Finding[] {
  const [owner] = ownersOf(facts, socket)
  const found = {
    code: 'port-taken',
    proof: showPort(listener.port),
    what: `listener ${listener.name} cannot have ${listenText(listener)}: ${holderText(socket, owner)} listens on ${listenText(socket)}`,
  } as const
  if (owner?.pid !== 1) return [{ ...found, severity: 'blocks', remedy: stopHolder(socket, owner) }]
  // Process 1 holds sockets for units; whether this is spliceway's own, its list says.
  const text = `process 1 holds it for a socket unit, which \`systemctl list-sockets\` names. If that is spliceway.socket all is well; otherwise disable it`
  return [{ ...found, severity: 'note', remedy: advice(text) }]
}

function beside(facts: Facts, listener: SubjectListener, socket: Socket): Finding[] {
  const [owner] = ownersOf(facts, socket)
  const who = holderText(socket, owner)
  if (owner?.pid === 1) return []
  const common = { proof: showPort(listener.port), remedy: stopHolder(socket, owner) }
  if (isNarrower(socket, listener.host)) {
    const what = `${who} listens on ${listenText(socket)}: connections to that address go there, not to listener ${listener.name}`
    return [{ ...common, code: 'port-shadowed', severity: 'blocks', what }]
  }
  const what = `${who} listens on ${listenText(socket)} beside listener ${listener.name} (SO_REUSEPORT): the kernel gives it a share of the connections`
  return [{ ...common, code: 'port-shared', severity: 'hurts', what }]
}

function adminTaken(facts: Facts, socket: Socket): Finding {
  const [owner] = ownersOf(facts, socket)
  return {
    code: 'admin-port-taken',
    severity: 'hurts',
    what: `the admin page cannot have ${listenText(socket)}: ${holderText(socket, owner)} listens there. Probes and metrics would get its answers`,
    proof: showPort(socket.port),
    remedy: {
      advice: 'give the page another port with admin.listen, and tell probes and collectors',
      commands: [],
      settings: [{ key: 'admin.listen', value: listenText({ host: socket.host, port: socket.port + 1 }) }],
    },
  }
}
