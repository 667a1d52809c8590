import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Program } from '../helpers/program.ts'

/** What stands for the system's own folders that are mounts: empty, or this machine's. */
const mounts = `
set -e
mount -t tmpfs none "$1"
mkdir "$1/changes" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" "$1/root"
mount --rbind /proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs none "$1/root/run"
echo mounted
exec sleep 900
`

/**
 * This machine once more, where anything may be installed: what is written stays in memory, apart from this machine's files,
 * and is gone at close().
 */
export class OtherRoot {
  readonly #holder: Program
  readonly #folder: string

  private constructor(holder: Program, folder: string) {
    this.#holder = holder
    this.#folder = folder
  }

  /** Rejects where such a thing cannot be mounted: without root, or without overlayfs. */
  static async open(): Promise<OtherRoot> {
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-root-'))
    const holder = await Program.start([
      ...['unshare', '--mount', '--propagation', 'private', 'bash', '-c', mounts, 'bash', folder],
    ])
    const root = new OtherRoot(holder, folder)
    try {
      await holder.line(/^mounted$/)
      return root
    } catch (error) {
      await root.close()
      throw error
    }
  }

  /** Runs what follows in it, which keeps compiled modules where it would without a test. The process keeps its pid. */
  get command(): readonly string[] {
    const namespace = `--mount=/proc/${this.#holder.pid}/ns/mnt`
    return [
      'nsenter',
      namespace,
      '--',
      'chroot',
      join(this.#folder, 'root'),
      'env',
      '-u',
      'NODE_COMPILE_CACHE',
    ]
  }

  /** A path in it, for this process. */
  path(path: string): string {
    return join(`/proc/${this.#holder.pid}/root`, this.#folder, 'root', path)
  }

  /** Files and folders that are not as they are on this machine, mounts left out. */
  changes(): readonly string[] {
    const folder = join(`/proc/${this.#holder.pid}/root`, this.#folder, 'changes')
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()
  }

  /** A folder in it that was not there. */
  make(path: string): string {
    mkdirSync(this.path(path), { recursive: true })
    return this.path(path)
  }

  /** Processes that still run in it keep it. */
  async close(): Promise<void> {
    await this.#holder.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
