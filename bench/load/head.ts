/** How every conversation with tcp-server.ts begins: what the client wants, and how many bytes of it. */
export interface Head {
  /** echo: every byte comes back. up: the client sends until its FIN and is told the count. down: it is sent `bytes`. */
  readonly wish: 'echo' | 'up' | 'down'
  readonly bytes: number
}

export const headSize = 9
const wishes = ['echo', 'up', 'down'] as const

export function writeHead({ wish, bytes }: Head): Buffer {
  const head = Buffer.alloc(headSize)
  head.writeUInt8(wishes.indexOf(wish), 0)
  head.writeBigUInt64BE(BigInt(bytes), 1)
  return head
}

/** Throws when `head` was not written by writeHead(). */
export function readHead(head: Buffer): Head {
  const wish = wishes[head.readUInt8(0)]
  if (wish === undefined) throw new RangeError(`not a head: it begins with ${head.readUInt8(0)}`)
  return { wish, bytes: Number(head.readBigUInt64BE(1)) }
}
