import { run } from '../helpers/program.ts'
import { crowd } from './turned-away.ts'

/**
 * How often each status answered a crowd of uploads of `file`, one after the other and each on a connection of its own if
 * the server ends it; 0: none came. One curl makes them all: a process each keeps a small machine busy.
 */
export async function uploads(
  port: number,
  path: string,
  file: string,
  ...options: readonly string[]
): Promise<Record<string, number>> {
  const upload = ['--header', 'Expect:', '--upload-file', file, '--output', '/dev/null']
  const url = `http://127.0.0.1:${port}${path}/[1-${crowd}]`
  const { out } = await run(['curl', '--silent', ...upload, '--write-out', '%{http_code}\n', ...options, url])
  const counts: Record<string, number> = {}
  for (const status of out.trimEnd().split('\n')) counts[Number(status)] = (counts[Number(status)] ?? 0) + 1
  return counts
}
