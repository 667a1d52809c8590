import { connect, type Socket } from 'node:net'
import { hello, sni } from '../protocol/hello-bytes.ts'

/**
 * A process that attacks as long as it is told to, forked by a test: `flood RATE` begins connections from one address,
 * `dribble COUNT` holds so many whose ClientHello comes byte by byte, and none is ever finished.
 */
const [kind = '', amount = ''] = process.argv.slice(2)
const source = '127.0.0.66'
const tickMs = 10
/** Of each dribbler, from one byte to the next. A hello of 80 bytes would take 20 s; they are cut off before that. */
const byteMs = 250
const words = hello(sni('slow.example'))

const open = new Set<Socket>()
let begun = 0

function begin(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, localAddress: source })
  begun++
  open.add(socket)
  socket.on('error', () => {})
  socket.on('close', () => open.delete(socket))
  return socket
}

function flood(port: number): () => void {
  const each = (Number(amount) * tickMs) / 1_000
  const timer = setInterval(() => {
    for (let i = 0; i < each; i++) begin(port)
  }, tickMs)
  return () => clearInterval(timer)
}

function dribble(port: number): () => void {
  const sent = new WeakMap<Socket, number>()
  let turn = 0
  const turns = byteMs / tickMs
  const timer = setInterval(() => {
    while (open.size < Number(amount)) sent.set(begin(port), 0)
    turn = (turn + 1) % turns
    let at = 0
    for (const socket of open) {
      if (at++ % turns !== turn) continue
      const done = sent.get(socket) ?? 0
      if (done < words.length - 1) socket.write(words.subarray(done, done + 1))
      sent.set(socket, done + 1)
    }
  }, tickMs)
  return () => clearInterval(timer)
}

let stop = (): void => {}
process.on('message', (port: number | null) => {
  if (port !== null) {
    begun = 0
    stop = kind === 'flood' ? flood(port) : dribble(port)
    process.send?.('begun')
    return
  }
  stop()
  for (const socket of open) socket.resetAndDestroy()
  process.send?.({ begun })
})
process.on('disconnect', () => process.exit())
