import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { memoryLimitBytes, openFileLimit } from '../../src/linux/limits.ts'

/** A folder with these files, in the place of /. */
function root(t: ExecutionContext, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-limits-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

const MiB = 1024 * 1024

test('the soft limit of open files is what the shell says', (t) => {
  t.is(String(openFileLimit()), execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim())
})

test('no limit of open files is Infinity, no /proc is the usual soft limit', (t) => {
  const folder = root(t, {
    limits: 'Max open files            unlimited            unlimited            files\n',
  })
  t.is(openFileLimit(join(folder, 'limits')), Infinity)
  t.is(openFileLimit(join(folder, 'nothing')), 1024)
})

test('the limit of a version 2 cgroup is found', (t) => {
  const folder = root(t, {
    'proc/self/cgroup': '0::/system.slice/spliceway.service\n',
    'sys/fs/cgroup/system.slice/spliceway.service/memory.max': `${64 * MiB}\n`,
    'sys/fs/cgroup/system.slice/spliceway.service/memory.high': 'max\n',
  })
  t.is(memoryLimitBytes(folder), 64 * MiB)
})

test('a tighter limit of a cgroup above counts', (t) => {
  const folder = root(t, {
    'proc/self/cgroup': '0::/system.slice/spliceway.service\n',
    'sys/fs/cgroup/system.slice/memory.max': `${32 * MiB}\n`,
    'sys/fs/cgroup/system.slice/spliceway.service/memory.max': `${64 * MiB}\n`,
  })
  t.is(memoryLimitBytes(folder), 32 * MiB)
})

test('a container that sees the host path of its cgroup finds the limit at the root', (t) => {
  const folder = root(t, {
    'proc/self/cgroup': '12:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': `${48 * MiB}\n`,
  })
  t.is(memoryLimitBytes(folder), 48 * MiB)
})

test('without a limit it is the memory of the machine', (t) => {
  const folder = root(t, {
    'proc/self/cgroup': '4:memory:/\n0::/\n',
    'sys/fs/cgroup/memory.max': 'max\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
  })
  t.is(memoryLimitBytes(folder), totalmem())
  t.is(memoryLimitBytes(join(folder, 'nothing')), totalmem())
})

test('on this machine it is positive and at most the memory there is', (t) => {
  t.true(memoryLimitBytes() > 0)
  t.true(memoryLimitBytes() <= totalmem())
})
