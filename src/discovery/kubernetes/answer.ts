import type { ApiAnswer } from './api.ts'
import { readStatus } from './api-status.ts'
import { type Failure, failureOfStatus } from './failure.ts'
import { ShapeError } from './received.ts'
import { parsed } from './watch-event.ts'

/** A page of 500 slices of 100 endpoints, the controller's default, is half of it. */
const maxAnswerBytes = 64 * 1024 * 1024

/** Throws ShapeError when the body is larger than any list. */
export async function textOf({ body }: ApiAnswer): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxAnswerBytes) throw new ShapeError('the answer is larger than 64 MiB')
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What an answer other than 200 says: a Status, or the line of text of whoever is no API server. */
export async function refusal(answer: ApiAnswer): Promise<Failure> {
  const { status: code, retryAfterMs } = answer
  const body = await textOf(answer)
  try {
    return failureOfStatus({ ...readStatus(parsed(body, 'Status')), code }, retryAfterMs)
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error
    const message = clearText(body)
    return failureOfStatus({ code, message, retryAfterMs: null, ahead: false }, retryAfterMs)
  }
}

/** A page is not shown: a load balancer's says nothing in its first line. */
function clearText(body: string): string {
  const line = body.trim()
  if (/HTTP request to an HTTPS server/i.test(line)) return 'the URL says http, but the server speaks https'
  return /^[\x20-\x7e]{1,200}$/.test(line) && !line.startsWith('<') ? line : 'no reason given'
}
