import { existsSync } from 'node:fs'
import { namesIn, textOf } from './text.ts'

export interface Clock {
  readonly nowMs: number
  /** Who keeps it right: `chronyd (pid 512)`; null: nobody whom we know. */
  readonly keeper: string | null
  /** systemd-timesyncd says that it has asked somebody; null: it is not the one here. */
  readonly synchronized: boolean | null
}

const keepers = new Set(['chronyd', 'ntpd', 'systemd-timesyn', 'ntpd-rs', 'openntpd', 'ptp4l', 'phc2sys'])

export function readClock(nowMs: number): Clock {
  const pid = namesIn('/proc').find(
    (name) => /^\d+$/.test(name) && keepers.has(textOf(`/proc/${name}/comm`)?.trim() ?? ''),
  )
  const name = pid === undefined ? '' : (textOf(`/proc/${pid}/comm`)?.trim() ?? '')
  return {
    nowMs,
    keeper: pid === undefined ? null : `${name} (pid ${pid})`,
    // It makes the first file when it has heard from a server, and the folder when it starts.
    synchronized: existsSync('/run/systemd/timesync')
      ? existsSync('/run/systemd/timesync/synchronized')
      : null,
  }
}
