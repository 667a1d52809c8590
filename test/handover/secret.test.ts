import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { readSecret } from '../../src/handover/secret.ts'

const uid = process.getuid?.() ?? 0
const asRoot = uid === 0 ? test : test.skip
const alone = uid === 0 ? '' : ' (skipped: needs root)'
const good = `${'a1'.repeat(32)}\n`

/** A folder of mode 0700 that ends with the test. */
function place(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-secret-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

function reasonOf(path: string): string {
  const secret = readSecret(path, uid)
  return secret.kind === 'none' ? secret.reason : 'known'
}

test('the first who needs it makes it, folder included, for this user alone; the next one reads the same', (t) => {
  const path = join(place(t), 'run', 'handover.secret')
  const first = readSecret(path, uid)
  t.is(first.kind, 'known')
  t.deepEqual(readSecret(path, uid), first)
  t.regex(readFileSync(path, 'latin1'), /^[0-9a-f]{64}\n$/)
  t.is(statSync(path).mode & 0o777, 0o600)
  t.is(statSync(join(path, '..')).mode & 0o777, 0o700)
  t.deepEqual(readdirSync(join(path, '..')), ['handover.secret'], 'no draft is left')
})

test('two secrets that were made are two', (t) => {
  const folder = place(t)
  t.notDeepEqual(readSecret(join(folder, 'a'), uid), readSecret(join(folder, 'b'), uid))
})

for (const [what, arrange, reason] of [
  [
    'a file that others may read',
    (path: string) => {
      writeFileSync(path, good)
      chmodSync(path, 0o640)
    },
    /^handover\.secret: \S+secret may be opened by others \(mode 640\): chmod 600 \S+secret$/,
  ],
  [
    'a folder that others may open',
    (path: string) => chmodSync(join(path, '..'), 0o755),
    /^handover\.secret: \S+ may be opened by others \(mode 755\): chmod 700 \S+$/,
  ],
  [
    'a short word',
    (path: string) => writeFileSync(path, 'password\n', { mode: 0o600 }),
    /holds 8 characters instead of 32 to 4096: remove it, and it is made anew$/,
  ],
  [
    'a large file',
    (path: string) => writeFileSync(path, good.repeat(100), { mode: 0o600 }),
    /holds more than 4096 characters/,
  ],
  ['a folder in its place', (path: string) => mkdirSync(path, { mode: 0o700 }), /secret is not a file$/],
  ['a link', (path: string) => symlinkSync('/dev/zero', path), /secret is a symbolic link$/],
] as const) {
  test(`${what} is no secret, and it is said why`, (t) => {
    const path = join(place(t), 'secret')
    arrange(path)
    t.regex(reasonOf(path), reason)
  })
}

asRoot(`what belongs to somebody else is no secret${alone}`, (t) => {
  const path = join(place(t), 'secret')
  writeFileSync(path, good, { mode: 0o600 })
  chownSync(path, 64_081, 64_081)
  t.regex(reasonOf(path), /secret belongs to uid 64081 instead of uid 0$/)
  const folder = join(place(t), 'folder')
  mkdirSync(folder, { mode: 0o700 })
  chownSync(folder, 64_081, 64_081)
  t.regex(reasonOf(join(folder, 'secret')), /folder belongs to uid 64081 instead of uid 0$/)
})
