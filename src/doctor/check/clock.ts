import type { Facts } from '../facts.ts'
import { advice, type Finding } from '../finding.ts'

/** The first release of this command: no clock that is right shows less. */
const earliestMs = Date.UTC(2026, 0, 1)

/** Certificates of the API server and tokens are judged by it. */
export function clock({ clock: { nowMs, keeper, synchronized } }: Facts): readonly Finding[] {
  if (nowMs < earliestMs) {
    return [
      {
        code: 'clock-wrong',
        severity: 'hurts',
        what: `the clock says ${new Date(nowMs).toISOString()}, which is past: certificates are not valid yet, and logs are of another day`,
        proof: ['date', '-u'],
        remedy: advice('set it, and let chrony or systemd-timesyncd keep it'),
      },
    ]
  }
  if (synchronized !== false || (keeper !== null && !keeper.startsWith('systemd-timesyn'))) return []
  return [
    {
      code: 'clock-unsynchronized',
      severity: 'note',
      what: 'systemd-timesyncd has not heard from any time server',
      proof: ['timedatectl', 'timesync-status'],
      remedy: advice(
        'let UDP port 123 out, or name a server that can be reached in /etc/systemd/timesyncd.conf',
      ),
    },
  ]
}
