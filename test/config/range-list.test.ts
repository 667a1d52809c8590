import test from 'ava'
import { renderProblem } from '../../src/config/problem.ts'
import { parseRangeList } from '../../src/config/range-list.ts'
import { formatIp, parseIp } from '../../src/core/address.ts'
import { covers, rangeCount } from '../../src/core/ranges.ts'

function taken(text: string): { count: number; has: (ip: string) => boolean } {
  const parsed = parseRangeList(text, 'deny.txt')
  if (parsed.kind === 'invalid')
    throw new Error(parsed.problems.map((problem) => renderProblem(problem)).join('\n'))
  return {
    count: parsed.count,
    has: (ip) => {
      const address = parseIp(ip)
      return address !== undefined && covers(parsed.ranges, address)
    },
  }
}

test('addresses and ranges, one a line, with comments and blank lines', (t) => {
  const { count, has } = taken(`\ufeff# what we saw in the logs
10.0.0.0/8   # inside

192.0.2.1\r
	2001:db8::/32
#192.0.2.2
::ffff:198.51.100.0/120`)
  t.is(count, 4)
  for (const ip of ['10.9.9.9', '192.0.2.1', '2001:db8::9', '198.51.100.7']) t.true(has(ip), ip)
  for (const ip of ['11.0.0.0', '192.0.2.2', '2001:db9::']) t.false(has(ip), ip)
})

test('a file without a range is a list without ranges', (t) => {
  for (const text of ['', '\n\n', '# nothing yet', '  \t\r\n']) t.is(taken(text).count, 0)
})

test('what is wrong is shown where it stands', (t) => {
  const parsed = parseRangeList('10.0.0.0/8\n  gateway # ours\n10.0.0.0/40\n', 'deny.txt')
  const shown = parsed.kind === 'invalid' ? parsed.problems.map((problem) => renderProblem(problem)) : []
  t.deepEqual(shown, [
    `error: \`gateway\` must be an address or a range
  --> deny.txt:2:3
   |
 2 |   gateway # ours
   |   ^^^^^^^ for example 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32`,
    `error: \`10.0.0.0/40\` has a bad prefix
  --> deny.txt:3:1
   |
 3 | 10.0.0.0/40
   | ^^^^^^^^^^^ a whole number from 0 to 32 goes behind the slash`,
  ])
})

test('of many mistakes the first twenty are shown, and how many there are besides', (t) => {
  const parsed = parseRangeList('nonsense\n'.repeat(70_000), 'deny.txt')
  t.true(parsed.kind === 'invalid')
  const problems = parsed.kind === 'invalid' ? parsed.problems : []
  t.is(problems.length, 21)
  t.is(problems.at(19)?.line, 20)
  t.is(problems.at(20)?.message, 'and 69980 more')
})

test('a range with bits behind its prefix is taken, and pointed out', (t) => {
  const parsed = parseRangeList('10.0.0.0/8\n10.1.2.3/8\n', 'deny.txt')
  t.deepEqual(parsed.kind === 'ok' && parsed.loose.map((problem) => renderProblem(problem, 'warning')), [
    `warning: \`10.1.2.3/8\` has bits behind its prefix
  --> deny.txt:2:1
   |
 2 | 10.1.2.3/8
   | ^^^^^^^^^^ it is taken as 10.0.0.0/8`,
  ])
})

test('more ranges than there may be are refused, not cut off', (t) => {
  const parsed = parseRangeList('10.0.0.0/8\n'.repeat(500_001), 'deny.txt')
  t.deepEqual(parsed.kind === 'invalid' && parsed.problems.map(({ message, line }) => [message, line]), [
    ['there are more than 500000 ranges', 500_001],
  ])
})

// CPU time: how long it takes on the clock is up to whoever else works here.
test('100,000 ranges are read in under a second of CPU', (t) => {
  const lines = Array.from({ length: 100_000 }, (_, i) => {
    const bytes = Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, i >> 8, i & 255, i >> 16, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return i % 2 === 0
      ? `${10 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`
      : `${formatIp({ family: 6, bytes })}/64`
  })
  const text = lines.join('\n')
  const before = process.cpuUsage()
  const parsed = parseRangeList(text, 'deny.txt')
  const { user, system } = process.cpuUsage(before)
  const ms = Math.round((user + system) / 1000)
  t.log(`${ms} ms of CPU`)
  t.true(parsed.kind === 'ok' && parsed.count === 100_000 && rangeCount(parsed.ranges) > 10_000)
  t.true(ms < 1000, `${ms} ms`)
})
