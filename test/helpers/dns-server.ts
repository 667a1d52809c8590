import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket as TcpSocket } from 'node:net'
import { parseIp } from '../../src/core/address.ts'

export type DnsRecord =
  | { readonly type: 'A' | 'AAAA'; readonly address: string; readonly ttl: number }
  | {
      readonly type: 'SRV'
      readonly priority: number
      readonly weight: number
      readonly port: number
      readonly target: string
      readonly ttl: number
    }

/**
 * What a question is answered with: records (none: the name exists, but not with this type), an error, nothing, or, as by
 * somebody who guesses, an address (10.66.66.66) under another id and for another question.
 */
export type DnsReply = readonly DnsRecord[] | 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED' | 'silence' | 'lie'

export interface DnsServerOptions {
  /** 127.0.0.1 when left out. */
  readonly host?: string
  /** Any when left out; a fixed one needs a network namespace. */
  readonly port?: number
  /** What becomes of a connection: served (the default), refused, or accepted and never read. */
  readonly tcp?: 'served' | 'refused' | 'silent'
}

const rcodes = { NXDOMAIN: 3, SERVFAIL: 2, REFUSED: 5 }
const types = { A: 1, SRV: 33, AAAA: 28 } as const
/** RFC 1035 section 4.2.1: what a reply over UDP may have. */
const maxUdpBytes = 512

/** A name server, over UDP and TCP, that knows what a test tells it. Names it does not know are NXDOMAIN. */
export class DnsServer {
  /** `gw.test A`, by question. */
  readonly replies = new Map<string, DnsReply>()
  /** The questions so far; `(tcp)` behind those that came that way. */
  readonly asked: string[] = []
  readonly address: string
  readonly #udp: Socket
  readonly #tcp: Server
  readonly #connections = new Set<TcpSocket>()

  private constructor(udp: Socket, tcp: Server, how: DnsServerOptions['tcp']) {
    this.#udp = udp
    this.#tcp = tcp
    this.address = `${udp.address().address}:${udp.address().port}`
    udp.on('message', (message, from) => {
      const reply = this.#reply(message, '')
      if (reply === null) return
      udp.send(reply.length > maxUdpBytes ? truncated(message) : reply, from.port, from.address)
    })
    tcp.on('connection', (socket) => {
      if (how === 'silent') this.#keep(socket)
      else this.#serve(socket)
    })
    if (how === 'refused') tcp.close()
  }

  static async start(options: DnsServerOptions = {}): Promise<DnsServer> {
    const { host = '127.0.0.1', port: wanted = 0, tcp: how } = options
    for (;;) {
      const tcp = createServer().listen(wanted, host)
      await once(tcp, 'listening')
      const udp = createSocket('udp4')
      const { port } = tcp.address() as AddressInfo
      udp.bind(port, host)
      const bound = await Promise.race([
        once(udp, 'listening').then(() => true),
        once(udp, 'error').then(() => false),
      ])
      if (bound) return new DnsServer(udp, tcp, how)
      tcp.close() // somebody has the UDP port of the same number
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#connections) socket.destroy()
    const open = this.#tcp.listening
    this.#tcp.close()
    this.#udp.close()
    await Promise.all([open ? once(this.#tcp, 'close') : null, once(this.#udp, 'close')])
  }

  #keep(socket: TcpSocket): void {
    this.#connections.add(socket)
    socket.on('close', () => this.#connections.delete(socket))
    socket.on('error', () => {})
  }

  #serve(socket: TcpSocket): void {
    this.#keep(socket)
    let received: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0)
        const reply = this.#reply(received.subarray(2, end), ' (tcp)')
        received = received.subarray(end)
        if (reply !== null) socket.write(Buffer.concat([uint16(reply.length), reply]))
      }
    })
  }

  /** null: it says nothing. */
  #reply(message: Buffer, how: string): Buffer | null {
    const { question, text } = questionOf(message)
    this.asked.push(`${text}${how}`)
    const reply = this.replies.get(text) ?? 'NXDOMAIN'
    if (reply === 'silence') return null
    if (reply === 'lie') return lie(message, question)
    if (typeof reply === 'string') return packet(message, question, rcodes[reply], [])
    return packet(message, question, 0, reply)
  }
}

/** The first question as bytes and as `gw.test A`. */
function questionOf(message: Buffer): { question: Buffer; text: string } {
  const labels: string[] = []
  let at = 12
  for (let length = message[at] ?? 0; length !== 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const asked = message.readUInt16BE(at + 1)
  const type = Object.entries(types).find(([, code]) => code === asked)?.[0] ?? `TYPE${asked}`
  return { question: message.subarray(12, at + 5), text: `${labels.join('.').toLowerCase()} ${type}` }
}

function packet(query: Buffer, question: Buffer, rcode: number, records: readonly DnsRecord[]): Buffer {
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header.writeUInt16BE(0x8580 | rcode, 2) // a reply, authoritative, recursion desired and available
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records.length, 6)
  return Buffer.concat([header, question, ...records.map(encode)])
}

function lie(query: Buffer, question: Buffer): Buffer {
  const reply = packet(query, question, 0, [{ type: 'A', address: '10.66.66.66', ttl: 1 }])
  reply.writeUInt16BE(reply.readUInt16BE(0) ^ 0xffff, 0)
  reply.write('x', 13, 'latin1') // the first letter of the name
  return reply
}

function truncated(query: Buffer): Buffer {
  const reply = packet(query, questionOf(query).question, 0, [])
  reply.writeUInt16BE(reply.readUInt16BE(2) | 0x0200, 2)
  return reply
}

function encode(record: DnsRecord): Buffer {
  const data = record.type === 'SRV' ? srvData(record) : Buffer.from(parseIp(record.address)?.bytes ?? [])
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc00c, 0) // the name of the question
  head.writeUInt16BE(types[record.type], 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(record.ttl, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function srvData({ priority, weight, port, target }: Extract<DnsRecord, { type: 'SRV' }>): Buffer {
  const labels = target.split('.').filter((label) => label !== '')
  const name = labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'))
  return Buffer.concat([uint16(priority), uint16(weight), uint16(port), ...name, Buffer.of(0)])
}

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff)
}
