import test from 'ava'
import { installed } from '../../src/command/installed.ts'
import { reportChannel } from '../../src/core/report-channel.ts'

const started = {
  pid: 7,
  argv: ['/real/node', '/opt/spliceway/src/cli.mjs', 'run', '-c', 'file'],
  argv0: 'node',
  execPath: process.execPath,
  execArgv: ['--disable-sigusr1', '--max-old-space-size=512'],
  env: {},
}
const rest = [...started.execArgv, '/opt/spliceway/src/cli.mjs']

test('Node by its real path, with its options and the program', (t) => {
  t.deepEqual(installed(started, '/'), [process.execPath, ...rest])
})

test('Node by the path by which it was called, which may be a link, unless that is gone', (t) => {
  t.deepEqual(installed({ ...started, argv0: '/bin/sh' }, '/'), ['/bin/sh', ...rest])
  t.deepEqual(installed({ ...started, argv0: './sh' }, '/bin'), ['/bin/sh', ...rest])
  t.deepEqual(installed({ ...started, argv0: '/nowhere/node' }, '/'), [process.execPath, ...rest])
})

test('the launcher that has become this process, by the path by which it was called', (t) => {
  const by = (value: string) => installed({ ...started, env: { SPLICEWAY_LAUNCHER: value } }, '/')
  t.deepEqual(by('7 /bin/sh'), ['/bin/sh'])
  t.deepEqual(by('70 /bin/sh'), [process.execPath, ...rest], 'of another process')
  t.deepEqual(by('7 /nowhere/spliceway'), [process.execPath, ...rest], 'it is gone')
  t.deepEqual(by(''), [process.execPath, ...rest])
})

test('a channel for last words is used by the child that it was made for', (t) => {
  t.is(reportChannel('12:3', 12), 3)
  for (const value of ['12:3', '13:', 'x', '', undefined, '13:3:4']) t.is(reportChannel(value, 13), null)
})
