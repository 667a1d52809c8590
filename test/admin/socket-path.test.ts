import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  adminSocketPath,
  prepareSocketFolder,
  runningSocketPath,
  socketFolderRisk,
} from '../../src/admin/socket-path.ts'

const uid = process.getuid?.() ?? -1

function folder(t: ExecutionContext): string {
  const made = mkdtempSync(join(tmpdir(), 'spliceway-folder-'))
  t.teardown(() => rmSync(made, { recursive: true }))
  return made
}

test('the service manager, then root, then the session, then the temporary folder', (t) => {
  const env = { RUNTIME_DIRECTORY: '/run/edge', XDG_RUNTIME_DIR: '/run/user/1000' }
  t.is(adminSocketPath(env, 0, '/tmp'), '/run/edge/spliceway.sock')
  t.is(adminSocketPath({ XDG_RUNTIME_DIR: '/run/user/1000' }, 0, '/tmp'), '/run/spliceway/spliceway.sock')
  t.is(adminSocketPath({ XDG_RUNTIME_DIR: '/run/user/1000' }, 1000, '/tmp'), '/run/user/1000/spliceway.sock')
  t.is(adminSocketPath({}, 1000, '/tmp'), '/tmp/spliceway-1000/spliceway.sock')
})

test('the first of several runtime folders is taken, an empty or relative one is not', (t) => {
  t.is(adminSocketPath({ RUNTIME_DIRECTORY: '/run/a:/run/b' }, 1000, '/tmp'), '/run/a/spliceway.sock')
  const odd = { RUNTIME_DIRECTORY: '', XDG_RUNTIME_DIR: 'here' }
  t.is(adminSocketPath(odd, 1000, '/tmp'), '/tmp/spliceway-1000/spliceway.sock')
})

test('a folder that is missing is made for its owner alone', (t) => {
  const path = join(folder(t), 'deep', 'spliceway.sock')
  prepareSocketFolder(path, uid)
  t.is((statSync(join(path, '..')).mode & 0o777).toString(8), '700')
  t.notThrows(() => prepareSocketFolder(path, uid))
})

test('a folder of another user is refused by name', (t) => {
  const made = folder(t)
  const error = t.throws(() => prepareSocketFolder(join(made, 'spliceway.sock'), uid + 1))
  t.true(error?.message.includes(made))
  t.true(error?.message.includes(`belongs to uid ${uid}`))
  t.notRegex(error?.message ?? '', /remove|another spliceway/)
})

test('nobody is told to remove the folder of one that runs', (t) => {
  const path = join(folder(t), 'spliceway.sock')
  writeFileSync(path, '')
  const error = t.throws(() => prepareSocketFolder(path, uid + 1))
  t.notRegex(error?.message ?? '', /remove/)
  t.regex(error?.message ?? '', /another spliceway has its admin socket there.*name another one/)
})

test('a command looks at the place of the system where there is nothing at its user’s own', (t) => {
  const made = folder(t)
  const own = join(made, 'own.sock')
  t.is(runningSocketPath(own, join(made, 'none')), own)
  t.is(runningSocketPath(own, made), join(made, 'spliceway.sock'))
  writeFileSync(own, '')
  t.is(runningSocketPath(own, made), own)
})

test('a chosen folder is a risk when others may write to it, and not below a sticky one', (t) => {
  const made = folder(t)
  const path = join(made, 'admin.sock')
  t.is(socketFolderRisk(path, uid), null)
  chmodSync(made, 0o770)
  t.regex(socketFolderRisk(path, uid) ?? '', /may be written to by others \(mode 770\)/)
  chmodSync(made, 0o1777)
  t.is(socketFolderRisk(path, uid), null)
  chmodSync(made, 0o755)
  if (uid !== 0) t.regex(socketFolderRisk(path, uid + 1) ?? '', new RegExp(`belongs to uid ${uid}`))
  t.is(socketFolderRisk(join(made, 'none', 'admin.sock'), uid), null)
})

test('a folder that others may write to is refused', (t) => {
  const made = join(folder(t), 'open')
  mkdirSync(made)
  chmodSync(made, 0o777)
  t.throws(() => prepareSocketFolder(join(made, 'spliceway.sock'), uid), { message: /mode 777/ })
})

test('a link in the place of the folder is refused', (t) => {
  const made = folder(t)
  const link = join(made, 'link')
  mkdirSync(join(made, 'target'), { mode: 0o700 })
  symlinkSync(join(made, 'target'), link)
  t.throws(() => prepareSocketFolder(join(link, 'spliceway.sock'), uid), { message: /not a folder/ })
})
