/**
 * In the environment of a process that another one has started to take its place: `PID:FD`, whose child it is
 * and to which descriptor its last words go beside standard error.
 */
export const reportVariable = 'SPLICEWAY_REPORT'

/** null: there is no such channel, or it was meant for another process. */
export function reportChannel(value: string | undefined, parentPid: number): number | null {
  const [, pid, fd] = /^(\d+):(\d{1,4})$/.exec(value ?? '') ?? []
  return pid === String(parentPid) ? Number(fd) : null
}
