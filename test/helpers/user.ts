import { spawnSync } from 'node:child_process'

/** Above every account that a machine has; a test's own, because users have budgets of their own. */
const firstUid = 100_000_000

/**
 * Makes this process, which AVA has made for one test file, one of a user whom nobody else is, for good. Null: done.
 * Otherwise why not, and it is who it was.
 */
export function becomeUser(): string | null {
  const { getuid, setgroups, setgid, setuid } = process
  if (getuid?.() !== 0) return 'only root can become another user'
  const id = firstUid + process.pid
  // The worker threads will read the program's files as that user.
  const look = 'require("fs").accessSync(process.argv[1])'
  const { status } = spawnSync(process.execPath, ['-e', look, import.meta.filename], { uid: id, gid: id })
  if (status !== 0) return `other users cannot read ${import.meta.dirname}`
  setgroups?.([])
  setgid?.(id)
  setuid?.(id)
  return null
}
