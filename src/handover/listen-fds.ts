/** Of sd_listen_fds(3): the first descriptor that systemd passes. */
const firstDescriptor = 3
/** Listeners are at most 256, each with an IPv4 and an IPv6 socket; a larger number is a mistake. */
const most = 1_024

/** A descriptor that was passed at the start, with its name in the socket unit (FileDescriptorName=). */
export interface PassedDescriptor {
  readonly n: number
  readonly name: string
}

/**
 * Descriptors that are meant for this process; empty when there are none. The variables must not reach any
 * child.
 */
export function listenFds(
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): PassedDescriptor[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = env
  // They are for another process when a shell or npm is between systemd and us: its descriptors are not ours.
  if (LISTEN_PID !== String(pid) || !/^\d{1,4}$/.test(LISTEN_FDS ?? '')) return []
  const count = Math.min(Number(LISTEN_FDS), most)
  const names = LISTEN_FDNAMES?.split(':') ?? []
  return Array.from({ length: count }, (_, i) => ({ n: firstDescriptor + i, name: names[i] ?? 'unknown' }))
}
