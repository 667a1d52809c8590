/** What the sentence says. */
const said = new Set(
  'id listener client endpoint attempts connectMs durationMs bytesUp bytesDown cause phase closed'.split(' '),
)

/**
 * What became of a connection, for a person: `http 10.0.0.7:41000 → 10.0.0.5:9080, 1.2 s, up 120 B, down
 * 3.4 KiB, client ended (fin) in data`. Further fields stay for whoever shows fields. null: the record is
 * none of the access log.
 */
export function readableAccess(record: Readonly<Record<string, unknown>>): {
  readonly text: string
  readonly rest: Readonly<Record<string, unknown>>
} | null {
  const { listener, client, endpoint, attempts, durationMs, bytesUp, bytesDown, cause, phase, closed } =
    record
  if (typeof durationMs !== 'number' || typeof bytesUp !== 'number' || typeof bytesDown !== 'number')
    return null
  const tried = Array.isArray(attempts) ? attempts.flatMap(failure) : []
  const words = [
    `${listener} ${client} → ${endpoint ?? 'nobody'}`,
    ...(tried.length === 0 ? [] : [`after ${tried.join(' and ')}`]),
    time(durationMs),
    `up ${size(bytesUp)}`,
    `down ${size(bytesDown)}`,
    `${endText(closed)} in ${phase}${cause === 'none' ? '' : `: ${cause}`}`,
  ]
  const rest = Object.fromEntries(
    Object.entries(record).filter(([key, value]) => !said.has(key) && value !== null),
  )
  return { text: words.join(', '), rest }
}

/** `10.0.0.5:9080 (ECONNREFUSED)` of a dial that failed. */
function failure(attempt: unknown): string[] {
  if (typeof attempt !== 'object' || attempt === null || !('error' in attempt)) return []
  if (attempt.error === null || !('endpoint' in attempt)) return []
  return [`${attempt.endpoint} (${attempt.error})`]
}

function endText(closed: unknown): string {
  if (typeof closed !== 'object' || closed === null || !('first' in closed) || !('how' in closed))
    return 'ended'
  return `${closed.first} ended first (${closed.how})`
}

function time(ms: number): string {
  if (ms < 1_000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  return ms < 120_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB'] as const
  let value = bytes / 1024
  let unit = 0
  for (; value >= 1023.95 && unit < units.length - 1; unit++) value /= 1024
  return `${value.toFixed(1)} ${units[unit]}`
}
