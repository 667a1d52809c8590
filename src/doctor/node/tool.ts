import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'

/**
 * Folders that only root writes to. $PATH is not asked: whoever runs the doctor as root must not run
 * somebody's `nft`.
 */
const folders = ['/usr/sbin', '/sbin', '/usr/bin', '/bin']
const patienceMs = 5_000
/** A node with 10,000 Services has some 30 MiB of rules. */
const maxBytes = 256 * 1024 * 1024

export type Told =
  | { readonly kind: 'said'; readonly text: string }
  /** `nft is not installed`, `nft: Operation not permitted (you must be root)`. */
  | { readonly kind: 'failed'; readonly why: string }

/**
 * Runs a tool that only looks, by its absolute path and without a shell. Ends it after 5 s. Never rejects.
 */
export function askTool(name: string, args: readonly string[]): Promise<Told> {
  const path = folders.map((folder) => `${folder}/${name}`).find((each) => existsSync(each))
  if (path === undefined) return Promise.resolve({ kind: 'failed', why: `${name} is not installed` })
  return new Promise((resolve) => {
    const options = {
      timeout: patienceMs,
      killSignal: 'SIGKILL',
      maxBuffer: maxBytes,
      env: { LC_ALL: 'C', PATH: folders.join(':') },
    } as const
    execFile(path, [...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve({ kind: 'said', text: stdout })
      const said = stderr.trim().split('\n')[0] || error.message.split('\n')[0] || 'it failed'
      resolve({
        kind: 'failed',
        why: error.killed === true ? `${name} gave no answer in 5 s` : `${name}: ${said}`,
      })
    })
  })
}
