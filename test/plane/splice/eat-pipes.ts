import { loadLibc } from '../../../src/linux/load-libc.ts'

// Takes all that this user's pipes may hold (fs.pipe-user-pages-soft) and says so to its parent, with whom it ends.
const MiB = 1024 * 1024
/** pipe(7): what a new pipe holds, while there is a budget. */
const usual = 64 * 1024
const most = 4_096

const loaded = loadLibc()
if (loaded.kind === 'missing') throw new Error(loaded.reason)
const { libc } = loaded

/** Makes pipes until one cannot have this size. */
function eat(bytes: number): number {
  for (let i = 0; i < most; i++) {
    const pipe = libc.pipe()
    if (typeof pipe === 'number') return pipe
    const size = libc.setPipeSize(pipe.write, bytes)
    if (size < 0) return size
  }
  return 0
}

process.on('disconnect', () => process.exit())
eat(MiB)
process.send?.({ errno: eat(usual) })
