import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { packagedSocket, packagedUnit } from '../../packaging/debian/unit.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { checkout } from './image.ts'
import { parseUnit } from './unit.ts'

const folder = join(checkout, 'packaging/debian')

function text(path: string): string {
  return readFileSync(join(checkout, path), 'utf8')
}

const service = text('config/systemd/spliceway.service')
const packaged = packagedUnit(service)

test('the unit of the package is the one of a checkout, with another program and a user that stays', (t) => {
  const [ours, theirs] = [parseUnit(service), parseUnit(packaged)]
  const changed = [...new Set([...ours.keys(), ...theirs.keys()])].filter(
    (key) => ours.get(key)?.join() !== theirs.get(key)?.join(),
  )
  t.deepEqual(changed.toSorted(), [
    'Service.DynamicUser',
    'Service.ExecStart',
    'Service.Group',
    'Service.User',
  ])
  t.deepEqual(theirs.get('Service.ExecStart'), ['/usr/bin/spliceway run'])
  t.deepEqual(theirs.get('Service.User'), ['spliceway'])
  t.notRegex(packaged, /\/opt|checkout/)
})

test('what a dynamic user would be kept from, the unit keeps its user from in words', (t) => {
  const unit = parseUnit(packaged)
  // systemd.exec(5), DynamicUser=
  for (const [key, value] of [
    ['ProtectSystem', 'strict'],
    ['ProtectHome', 'yes'],
    ['PrivateTmp', 'yes'],
    ['RemoveIPC', 'yes'],
    ['NoNewPrivileges', 'yes'],
    ['RestrictSUIDSGID', 'yes'],
  ] as const)
    t.deepEqual(unit.get(`Service.${key}`), [value], key)
})

test('the socket unit of the package is the one of a checkout', (t) => {
  const socket = text('config/systemd/spliceway.socket')
  t.deepEqual(parseUnit(packagedSocket(socket)), parseUnit(socket))
  t.notRegex(packagedSocket(socket), /config\/systemd|install -m/)
})

const systemd = spawnSync('systemd-analyze', ['--version']).status === 0
const withSystemd = systemd ? test : test.skip

withSystemd(
  `systemd finds nothing wrong with the units of the package${systemd ? '' : ' (skipped: no systemd-analyze here)'}`,
  (t) => {
    const place = mkdtempSync(join(tmpdir(), 'spliceway-unit-'))
    t.teardown(() => rmSync(place, { recursive: true }))
    // As they would be installed: `verify` looks for the program.
    const program = join(place, 'spliceway')
    writeFileSync(program, '#!/bin/sh\n')
    chmodSync(program, 0o755)
    const files = [join(place, 'spliceway.service'), join(place, 'spliceway.socket')] as const
    writeFileSync(files[0], packaged.replaceAll('/usr/bin/spliceway', program))
    writeFileSync(files[1], packagedSocket(text('config/systemd/spliceway.socket')))
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', ...files], {
      encoding: 'utf8',
    })
    t.is(`${stdout}${stderr}`, '')
    t.is(status, 0)
  },
)

test('the configuration that comes with it is valid and hands over', (t) => {
  const result = parseConfig(text('packaging/debian/spliceway.yaml'), { file: 'spliceway.yaml', env: {} })
  if (result.kind !== 'ok') return t.fail(result.problems.map(({ message }) => message).join('\n'))
  t.deepEqual(result.warnings, [])
  t.is(result.config.handover?.socket, 'spliceway', 'an abstract name, without its @')
  t.deepEqual(
    result.config.listeners.map(({ name }) => name),
    ['port-80', 'port-443'],
  )
})

test('the scripts of the package are sh, and a missing systemd does not fail them', (t) => {
  for (const name of ['postinst', 'prerm', 'postrm', 'after-update'])
    t.is(spawnSync('sh', ['-n', join(folder, name)]).status, 0, name)
  const place = mkdtempSync(join(tmpdir(), 'spliceway-scripts-'))
  t.teardown(() => rmSync(place, { recursive: true }))
  // Under a root of dpkg's own (dpkg --root with chrootless scripts): nothing of this machine is touched.
  mkdirSync(join(place, 'usr/lib/spliceway/node_modules/.cache'), { recursive: true })
  mkdirSync(join(place, 'etc'))
  mkdirSync(join(place, 'var/cache/spliceway'), { recursive: true })
  cpSync('/etc/passwd', join(place, 'etc/passwd'))
  for (const [name, word] of [
    ['prerm', 'remove'],
    ['postrm', 'remove'],
  ] as const) {
    const { status, stderr } = spawnSync('sh', [join(folder, name), word], {
      env: { PATH: process.env.PATH, DPKG_ROOT: place },
      encoding: 'utf8',
    })
    t.deepEqual([status, stderr], [0, ''], name)
  }
  t.is(spawnSync('test', ['-e', join(place, 'usr/lib/spliceway/node_modules/.cache')]).status, 1)
})
