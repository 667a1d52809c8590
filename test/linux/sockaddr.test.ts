import test from 'ava'
import fc from 'fast-check'
import { formatAddress, type SocketAddress, socketAddress } from '../../src/core/address.ts'
import { AF_INET, AF_INET6 } from '../../src/linux/constants.ts'
import { type Libc, must } from '../../src/linux/libc.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { readSockaddr, sockaddrSize, writeSockaddr } from '../../src/linux/sockaddr.ts'

function load(): Libc {
  const loaded = loadLibc()
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  return loaded.libc
}

function literal(ip: string, port: number): SocketAddress {
  const address = socketAddress(ip, port)
  if (address === undefined) throw new Error(`${ip}: not a literal`)
  return address
}

test('the layout is the one of bits/socket.h and netinet/in.h', (t) => {
  const block = load().block(sockaddrSize)
  block.bytes.fill(0xff)
  t.is(writeSockaddr(block, literal('192.0.2.1', 443)), 16)
  t.is(block.view.getUint16(0, true), AF_INET)
  t.deepEqual([...block.bytes.subarray(2, 16)], [1, 187, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0])
  block.bytes.fill(0xff)
  t.is(writeSockaddr(block, literal('2001:db8::1', 443)), 28)
  t.is(block.view.getUint16(0, true), AF_INET6)
  t.is(block.view.getUint32(4), 0, 'no flow label is left from whoever used the block before')
  t.is(block.view.getUint32(24), 0, 'no scope is left either')
})

test('whatever is written is read again', (t) => {
  const block = load().block(sockaddrSize)
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const port = fc.nat(65_535)
  const v4 = fc.record({ family: fc.constant(4 as const), bytes: bytes(4), port })
  const v6 = fc.record({ family: fc.constant(6 as const), bytes: bytes(16), port })
  fc.assert(
    fc.property(fc.oneof(v4, v6), (address) => {
      writeSockaddr(block, address)
      const read = readSockaddr(block)
      return (
        read.family === address.family &&
        read.port === address.port &&
        Buffer.compare(read.bytes, address.bytes) === 0
      )
    }),
  )
  t.pass()
})

test('a v4-mapped client is IPv4, its neighbours in the address space are not', (t) => {
  const block = load().block(sockaddrSize)
  const mapped = Uint8Array.from([...new Array<number>(10).fill(0), 0xff, 0xff, 203, 0, 113, 7])
  const read = (bytes: Uint8Array) => {
    writeSockaddr(block, { family: 6, bytes, port: 80 })
    return formatAddress(readSockaddr(block))
  }
  t.is(read(mapped), '203.0.113.7:80')
  for (let at = 0; at < 12; at++) {
    const near = Uint8Array.from(mapped)
    near[at] = (near[at] ?? 0) ^ 1
    t.regex(read(near), /^\[/, `byte ${at}`)
  }
})

test('what is read does not change when the block is used again', (t) => {
  const block = load().block(sockaddrSize)
  for (const ip of ['192.0.2.1', '2001:db8::1', '::ffff:192.0.2.9']) {
    const given = literal(ip, 1)
    writeSockaddr(block, given)
    const read = readSockaddr(block)
    block.bytes.fill(0)
    t.is(formatAddress(read), formatAddress(given))
  }
})

test('the kernel reads and writes it as we do', (t) => {
  const libc = load()
  const block = libc.block(sockaddrSize)
  for (const [ip, family] of [
    ['127.0.0.1', 4],
    ['::1', 6],
  ] as const) {
    const fd = must('socket', libc.socket(family))
    must('bind', libc.bind(fd, block, writeSockaddr(block, literal(ip, 0))))
    block.bytes.fill(0)
    must('getsockname', libc.getsockname(fd, block))
    const { port, ...bound } = readSockaddr(block)
    t.true(port > 0)
    t.is(formatAddress({ ...bound, port: 1 }), formatAddress(literal(ip, 1)))
    libc.close(fd)
  }
})
