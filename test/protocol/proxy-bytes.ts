import { formatAddress } from '../../src/core/address.ts'
import type { ProxyRead } from '../../src/protocol/proxy-found.ts'

/** Headers as they come, put together by hand: no encoder of ours has a part in them. */

export const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

export function line(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

export function tlv(type: number, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.of(type, bytes.length >> 8, bytes.length & 0xff), bytes])
}

/** `length`: what the header says, when that is not the truth. */
export function v2(command: number, family: number, rest: readonly Uint8Array[], length?: number): Buffer {
  const body = Buffer.concat(rest)
  const said = length ?? body.length
  return Buffer.concat([signature, Buffer.of(command, family, said >> 8, said & 0xff), body])
}

/** 192.0.2.1:1234 to 192.0.2.2:5678. */
export const block4 = Buffer.from('c0000201c000020204d2162e', 'hex')
/** [2001:db8::1]:1234 to [2001:db8::2]:5678. */
export const block6 = Buffer.from(
  '20010db800000000000000000000000120010db800000000000000000000000204d2162e',
  'hex',
)
/** Two paths of 108 bytes. */
export const blockUnix = Buffer.concat(
  ['/run/a', '/run/b'].map((path) => Buffer.concat([line(path), Buffer.alloc(108)], 108)),
)

/** An answer in one line: `malformed port`, `v1 1.2.3.4:5 > 6.7.8.9:10 (56)`, `v2 local nobody (16)`. */
export function told(read: ProxyRead): string {
  switch (read.kind) {
    case 'notThis':
      return 'not this'
    case 'incomplete':
      return `incomplete ${read.needs}`
    case 'malformed':
      return `malformed ${read.reason}`
    case 'found': {
      const { version, command, ends, length } = read
      const names =
        ends === null ? 'nobody' : `${formatAddress(ends.source)} > ${formatAddress(ends.destination)}`
      return `v${version} ${command} ${names} (${length})`
    }
  }
}
