import { namesIn, targetOf, textOf } from './text.ts'

/** A process that holds a socket. */
export interface Owner {
  readonly pid: number
  /** Its program's name. */
  readonly command: string
  /** Whether its words are those of a spliceway. */
  readonly spliceway: boolean
  /** By SIGSTOP or a debugger: its kernel goes on to accept, and nobody answers. */
  readonly stopped: boolean
  readonly home: Home
}

/** What started it, and so what stops it. */
export type Home =
  | { readonly kind: 'unit'; readonly unit: string }
  /** `pod` is `namespace/name` where the node's logs tell it, else its uid. */
  | { readonly kind: 'pod'; readonly pod: string }
  | { readonly kind: 'docker'; readonly id: string }
  | { readonly kind: 'none' }

/** A descriptor takes 2 µs to look at; a busy host has a million. */
const searchMs = 3_000

export interface OwnersFound {
  /**
   * By inode. Of several processes that share a socket, the one with the lowest pid, mostly the parent, comes
   * first.
   */
  readonly owners: ReadonlyMap<string, readonly Owner[]>
  /** Whether there was time and permission to look at all processes. */
  readonly complete: boolean
}

/** Who holds these sockets. `podOf`: a Pod's name by its uid. */
export function findOwners(inodes: ReadonlySet<string>, podOf: (uid: string) => string): OwnersFound {
  const owners = new Map<string, Owner[]>()
  const startMs = performance.now()
  let complete = true
  const pids = namesIn('/proc').map(Number).filter(Number.isInteger)
  for (const pid of pids.sort((a, b) => a - b)) {
    const folder = `/proc/${pid}/fd`
    const held = new Set<string>()
    for (const fd of namesIn(folder)) {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(targetOf(`${folder}/${fd}`)) ?? []
      if (inode !== undefined && inodes.has(inode)) held.add(inode)
      if (performance.now() - startMs > searchMs) return { owners, complete: false }
    }
    if (held.size === 0) {
      // A folder that is not for us shows nothing; our own children's and a kernel thread's are empty as
      // well.
      if (pid !== process.pid && textOf(`/proc/${pid}/environ`) === null) complete = false
      continue
    }
    const owner = ownerOf(pid, podOf)
    for (const inode of held) owners.set(inode, [...(owners.get(inode) ?? []), owner])
  }
  return { owners, complete }
}

function ownerOf(pid: number, podOf: (uid: string) => string): Owner {
  const name = textOf(`/proc/${pid}/comm`) ?? ''
  // Node names its main thread, which is nobody's program.
  const command = name.replace(/\p{Cc}/gu, '').replace(/-MainThread$/, '') || 'a process that has just ended'
  const spliceway = isSpliceway((textOf(`/proc/${pid}/cmdline`) ?? '').split('\0'))
  const stat = textOf(`/proc/${pid}/stat`) ?? ''
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
  const home = homeOf(textOf(`/proc/${pid}/cgroup`) ?? '', podOf)
  return { pid, command, spliceway, stopped: state === 'T' || state === 't', home }
}

/**
 * `node src/cli.mjs run`, `/usr/bin/spliceway run`: the script is among the first words, behind Node's own
 * options. Or the one word `spliceway run FILE`, its title.
 */
export function isSpliceway(words: readonly string[]): boolean {
  const [title = ''] = words
  const started = words.slice(0, 8).some((word) => /(^|\/)((src|dist)\/cli\.mjs|spliceway)$/.test(word))
  return started || /^spliceway (run|forward) /.test(title)
}

/**
 * From /proc/PID/cgroup: `0::/system.slice/nginx.service`,
 * `0::/kubepods.slice/…-pod<uid>.slice/cri-containerd-….scope`.
 */
export function homeOf(cgroup: string, podOf: (uid: string) => string): Home {
  const [, pod] = /kubepods[^\n]*?pod([0-9a-f]{8}[-_][0-9a-f_-]{27})/.exec(cgroup) ?? []
  if (pod !== undefined) return { kind: 'pod', pod: podOf(pod.replaceAll('_', '-')) }
  const [, docker] = /docker[-/]([0-9a-f]{64})/.exec(cgroup) ?? []
  if (docker !== undefined) return { kind: 'docker', id: docker.slice(0, 12) }
  const [, unit] = /^0::\/system\.slice\/(?:.*\/)?([^/\n]+\.service)(?:\/|$)/m.exec(cgroup) ?? []
  return unit === undefined ? { kind: 'none' } : { kind: 'unit', unit }
}
