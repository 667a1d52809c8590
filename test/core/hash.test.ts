import test from 'ava'
import { hash32 } from '../../src/core/hash.ts'

const vectors: readonly (readonly [text: string, seed: number, hash: number])[] = [
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['', 0xffffffff, 0x81f16f39],
  ['a', 0x9747b28c, 0x7fa09ea6],
  ['aa', 0x9747b28c, 0x5d211726],
  ['aaa', 0x9747b28c, 0x283e0130],
  ['aaaa', 0x9747b28c, 0x5a97808a],
  ['abc', 0, 0xb3dd93fa],
  ['test', 0, 0xba6bd213],
  ['Hello, world!', 0x9747b28c, 0x24884cba],
  ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
]

for (const [text, seed, hash] of vectors) {
  test(`"${text}" with seed ${seed.toString(16)} hashes as MurmurHash3 says`, (t) => {
    t.is(hash32(new TextEncoder().encode(text), seed), hash)
  })
}

test('bytes above 127 are not sign-extended', (t) => {
  t.is(hash32(Uint8Array.of(0xff, 0xff, 0xff, 0xff), 0), 0x76293b50)
})
