import { isIP } from 'node:net'

/**
 * Whether a request was meant for us: a page in a browser can have a name of its own point at 127.0.0.1 (DNS
 * rebinding), but it cannot change the name that the browser sends. Right are addresses, `localhost`, `names`
 * (in lower case), and no Host at all, which HTTP/1.0 and no browser does.
 */
export function isMeantForUs(host: string | undefined, names: readonly string[]): boolean {
  if (host === undefined || host === '') return true
  const name = withoutDot(
    host
      .replace(/:\d*$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .toLowerCase(),
  )
  return isIP(name) !== 0 || name === 'localhost' || names.map(withoutDot).includes(name)
}

/** `edge.example.` is the same name, written out. */
function withoutDot(name: string): string {
  return name.replace(/\.$/, '')
}
