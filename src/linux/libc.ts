import { createRequire } from 'node:module'

declare const fd: unique symbol
/** An open descriptor that whoever holds this value must close exactly once. */
export type Fd = number & { readonly [fd]: true }

/** The few calls that Node does not offer. Each throws a LibcError. */
export interface Libc {
  /** fcntl(F_DUPFD_CLOEXEC): a second descriptor of the same open file. */
  duplicate(descriptor: number): Fd
  close(descriptor: Fd): void
}

/** `code` is the errno name. */
export class LibcError extends Error {
  readonly code: string

  constructor(call: string, code: string) {
    super(`${call}: ${code}`)
    this.code = code
  }
}

/** fcntl.h */
const F_DUPFD_CLOEXEC = 1030

export type LoadedLibc =
  | { readonly kind: 'loaded'; readonly libc: Libc }
  | { readonly kind: 'missing'; readonly reason: string }

/** Loads koffi and libc by soname. Never throws: without them the program runs and says what it cannot do. */
export function loadLibc(): LoadedLibc {
  if (process.platform !== 'linux') return { kind: 'missing', reason: `the platform is ${process.platform}` }
  try {
    return { kind: 'loaded', libc: bind() }
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? error.name) : String(error)
    return { kind: 'missing', reason: `koffi or libc.so.6 did not load (${reason})` }
  }
}

function bind(): Libc {
  const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi')
  const libc = koffi.load('libc.so.6')
  const fcntl = libc.func('int fcntl(int fd, int cmd, int arg)')
  const close = libc.func('int close(int fd)')
  const names = new Map(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]))
  const check = (call: string, result: number): number => {
    if (result >= 0) return result
    throw new LibcError(call, names.get(koffi.errno()) ?? `errno ${koffi.errno()}`)
  }
  return {
    duplicate: (descriptor) => check('fcntl(F_DUPFD_CLOEXEC)', fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) as Fd,
    close: (descriptor) => void check('close', close(descriptor)),
  }
}
