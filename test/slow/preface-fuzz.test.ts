import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test, { type ExecutionContext } from 'ava'
import { readClientHello } from '../../src/protocol/client-hello.ts'
import { readProxy } from '../../src/protocol/proxy-read.ts'
import { proxyV1, proxyV1Unknown } from '../../src/protocol/proxy-v1.ts'
import { proxyV2, proxyV2Unknown } from '../../src/protocol/proxy-v2.ts'
import { mutate, randomOf } from '../helpers/mutate.ts'
import {
  alpn,
  body,
  extension,
  grease,
  hello,
  keyShares,
  message,
  records,
  sni,
} from '../protocol/hello-bytes.ts'
import { block4, block6, blockUnix, line, tlv, v2 } from '../protocol/proxy-bytes.ts'
import { ends } from '../protocol/proxy-fixture.ts'

/** Both readers of what a client sends first, against bytes that nobody means. Longer with FUZZ_SECONDS=600. */
const seconds = Number(process.env.FUZZ_SECONDS ?? 30)
/** A reader that takes longer for 40 KB hangs: 0.1 ms is usual. The pause of a machine that is busy is not its fault. */
const longestMs = 2000
const mostGrowth = 8 * 1024 * 1024

type Read =
  | { readonly kind: 'incomplete'; readonly needs: number }
  | { readonly kind: 'found' | 'notThis' | 'notTls' | 'malformed' }

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

function heapBytes(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** `check`: what is wrong with an answer beyond the rules of all readers; null: nothing. */
function fuzz<R extends Read>(
  t: ExecutionContext,
  seeds: readonly Uint8Array[],
  read: (bytes: Uint8Array) => R,
  check: (answer: R, bytes: Uint8Array) => string | null,
): void {
  t.timeout((seconds + 60) * 1000)
  const seed = Math.floor(Math.random() * 2 ** 32)
  t.log(`seed ${seed}`)
  const random = randomOf(seed)
  const kinds = new Map<string, number>()
  let runs = 0
  const one = (): void => {
    const bytes = mutate(seeds, random)
    const startMs = performance.now()
    const whole = read(bytes)
    const tookMs = performance.now() - startMs
    const part = read(bytes.subarray(0, bytes.length === 0 ? 0 : random() % bytes.length))
    const fault = faultOf(part, whole, bytes.length) ?? check(whole, bytes)
    if (fault !== null || tookMs > longestMs) t.fail(`${fault ?? `${tookMs} ms`}: ${bytes.toString('hex')}`)
    kinds.set(whole.kind, (kinds.get(whole.kind) ?? 0) + 1)
    runs++
  }
  for (let i = 0; i < 20_000; i++) one() // compiled, and its tables made
  const before = heapBytes()
  const startMs = performance.now()
  const from = runs
  while (performance.now() - startMs < seconds * 1000) for (let i = 0; i < 1000; i++) one()
  const perSecond = Math.round((runs - from) / ((performance.now() - startMs) / 1000))
  const grown = heapBytes() - before
  t.log(`${runs} runs, ${perSecond} a second, heap ${Math.round(grown / 1024)} KiB larger`)
  t.log([...kinds].map(([kind, count]) => `${kind} ${count}`).join(', '))
  t.true(grown < mostGrowth, `${grown} bytes`)
}

/** What every reader keeps to: an answer stands, and who waits for what is asked for waits for nothing in vain. */
function faultOf(part: Read, whole: Read, length: number): string | null {
  if (part.kind !== 'incomplete')
    return JSON.stringify(part) === JSON.stringify(whole) ? null : 'another answer to a part'
  if (whole.kind === 'incomplete') return whole.needs > length && part.needs <= whole.needs ? null : 'needs'
  return whole.kind === 'found' && part.needs > length ? 'asked for more than there was' : null
}

const pairs = Object.values(ends)
const tlvs = [
  tlv(1, 'h2'),
  tlv(2, 'shop.example'),
  tlv(4, ''),
  tlv(5, 'c-17'),
  tlv(0x20, Buffer.of(1, 0, 0, 0, 0, 0x21, 0, 1, 65)),
]
const headers = [
  ...pairs.flatMap(([client, local]) => [
    proxyV1(client, local),
    proxyV2(client, local, 'c-17', Buffer.concat(tlvs)),
  ]),
  proxyV1Unknown(),
  proxyV2Unknown('c-17', Buffer.concat(tlvs)),
  line('PROXY UNKNOWN ffff:f::ffff ffff:f::ffff 65535 65535\r\n'),
  line('PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n'),
  v2(0x21, 0x11, [block4, tlv(3, Buffer.alloc(4))]),
  v2(0x21, 0x22, [block6, ...tlvs]),
  v2(0x21, 0x31, [blockUnix, ...tlvs]),
  v2(0x21, 0x11, [block4, tlv(0xe0, Buffer.alloc(16_000))]),
]
const content = message(
  body({ extensions: [grease[0], sni('shop.example'), alpn('h2', 'http/1.1'), grease[1]] }),
)
const hellos = [
  records(content, []),
  records(content, [1, 2, 3, 50, 7]),
  records(content, new Array(content.length).fill(1)),
  hello(sni('shop.example'), keyShares, alpn('h2')),
  hello(sni('public.example'), extension(0xfe0d, Buffer.alloc(280, 5))),
  hello(extension(21, Buffer.alloc(15_000))),
  hello(),
]

test.serial(
  'the reader of PROXY headers neither throws nor hangs nor changes its mind, and keeps nothing',
  (t) => {
    fuzz(t, headers, readProxy, (answer, bytes) => {
      if (answer.kind !== 'found') return null
      if (answer.length > bytes.length) return 'longer than what there was'
      if (answer.ends === null) return null
      const again = readProxy(proxyV2(answer.ends.source, answer.ends.destination, '', answer.tlvs))
      return again.kind === 'found' && again.tlvs.length === answer.tlvs.length ? null : 'not written as read'
    })
  },
)

test.serial('the reader of hellos neither throws nor hangs nor changes its mind, and keeps nothing', (t) => {
  fuzz(t, hellos, readClientHello, (answer) =>
    answer.kind === 'found' && answer.serverName === '' ? 'an empty name' : null,
  )
})
