/**
 * Starts a command under the limits of a unit, the way systemd does it, for hosts where systemd does not run:
 *
 *   node limited.ts UNIT COMMAND…
 *
 * SystemCallFilter=, SystemCallErrorNumber=EPERM and RestrictAddressFamilies= as two seccomp filters by libseccomp, which
 * systemd uses too. The command replaces this process. Sockets that were passed, by $LISTEN_FDS, are for the command.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import koffi from 'koffi'
import * as c from '../../src/linux/constants.ts'
import { parseUnit } from './unit.ts'

/** linux/seccomp.h and seccomp.h of libseccomp */
const allow = 0x7fff0000
const EPERM = 0x00050000 | 1
const EAFNOSUPPORT = 0x00050000 | 97
const equal = 4
const families: Readonly<Record<string, number>> = {
  AF_UNIX: c.AF_UNIX,
  AF_INET: c.AF_INET,
  AF_INET6: c.AF_INET6,
  AF_NETLINK: 16,
}
/** AF_MAX of linux/socket.h, and room. */
const mostFamilies = 64

const lib = koffi.load('libseccomp.so.2')
const call = {
  init: lib.func('void *seccomp_init(uint32_t)'),
  resolve: lib.func('int seccomp_syscall_resolve_name(const char *)'),
  add: lib.func('int seccomp_rule_add_array(void *, uint32_t, int, unsigned int, const void *)'),
  load: lib.func('int seccomp_load(void *)'),
}

/** Members of every @group, groups in them by their names. */
function groups(): ReadonlyMap<string, readonly string[]> {
  const text = execFileSync('systemd-analyze', ['syscall-filter'], { encoding: 'utf8' })
  const found = new Map<string, string[]>()
  let members: string[] = []
  for (const line of text.split('\n')) {
    const name = line.trim()
    if (line.startsWith('@')) {
      members = []
      found.set(name, members)
    } else if (name !== '' && !name.startsWith('#')) members.push(name)
  }
  return found
}

/** The system calls that `SystemCallFilter=` lines leave: the first is an allow list, `~` takes away. */
function allowed(lines: readonly string[]): ReadonlySet<string> {
  const known = groups()
  const expand = (name: string): readonly string[] =>
    name.startsWith('@') ? (known.get(name) ?? []).flatMap(expand) : [name]
  const left = new Set<string>()
  for (const line of lines) {
    const remove = line.startsWith('~')
    for (const name of line.replace('~', '').split(' ').flatMap(expand)) {
      if (remove) left.delete(name)
      else left.add(name)
    }
  }
  return left
}

function must(what: string, code: number): void {
  if (code < 0) throw new Error(`${what}: ${code}`)
}

/** Every call that is not in the list fails with EPERM. */
function filterCalls(names: Iterable<string>): void {
  const filter = call.init(EPERM)
  for (const name of names) {
    const number = call.resolve(name)
    if (number !== -1) must(name, call.add(filter, allow, number, 0, null))
  }
  must('seccomp_load', call.load(filter))
}

/** socket() of every other family fails with EAFNOSUPPORT. */
function filterFamilies(wanted: readonly string[]): void {
  const numbers = wanted.map((name) => families[name])
  if (numbers.includes(undefined)) throw new Error(`a family without a number: ${wanted}`)
  const filter = call.init(allow)
  for (let family = 0; family < mostFamilies; family++) {
    if (numbers.includes(family)) continue
    const condition = Buffer.alloc(24) // struct scmp_arg_cmp: argument, comparison, value
    condition.writeUInt32LE(equal, 4)
    condition.writeBigUInt64LE(BigInt(family), 8)
    must('socket', call.add(filter, EAFNOSUPPORT, call.resolve('socket'), 1, condition))
  }
  must('seccomp_load', call.load(filter))
}

const [file = '', command = '', ...args] = process.argv.slice(2)
const unit = parseUnit(readFileSync(file, 'utf8'))
const lines = (key: string): readonly string[] => unit.get(`Service.${key}`) ?? []
const names = allowed(lines('SystemCallFilter'))
filterFamilies(lines('RestrictAddressFamilies').flatMap((line) => line.split(' ')))
filterCalls(names)
// Node keeps what it inherits from its children.
const passed = Number(process.env.LISTEN_FDS ?? 0)
const fcntl = koffi.load('libc.so.6').func('int fcntl(int, int, int)')
for (let i = 0; i < passed; i++) must('fcntl', fcntl(3 + i, 2, 0)) // F_SETFD, without FD_CLOEXEC
if (passed > 0) process.env.LISTEN_PID = String(process.pid)
process.execve?.(command, [command, ...args])
