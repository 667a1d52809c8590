/** The head of an HTTP/1 request (RFC 9112), as far as the admin pages need it. */
export type RequestHead =
  | {
      readonly kind: 'request'
      readonly method: string
      /** Without a query. */
      readonly path: string
      /** Behind the question mark, as it came; empty: there is none. */
      readonly query: string
      /** The host that is asked for; undefined: none is named, which no browser does. */
      readonly host: string | undefined
    }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'bad'; readonly status: 400 | 431 | 505 }

/** The requests that are meant for us need a few hundred bytes. */
export const maxHeadBytes = 8 * 1024

const line = /^([!#$%&'*+.^_`|~\w-]+) ([!-~]+) HTTP\/(\d)\.\d$/
const field = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([^\0\r\n]*?)[ \t]*$/

/** Reads what has arrived of a connection, one byte a character. What follows the head is left alone. */
export function readRequestHead(text: string): RequestHead {
  // Section 2.2: empty lines before a request are ignored
  const start = /^(?:\r?\n)*/.exec(text)?.[0].length ?? 0
  const end = text.slice(start).search(/\r?\n\r?\n/)
  if (end > maxHeadBytes || (end === -1 && text.length > maxHeadBytes)) return { kind: 'bad', status: 431 }
  if (end === -1) return { kind: 'incomplete' }
  const [first = '', ...fields] = text.slice(start, start + end).split(/\r?\n/)
  const [, method, target, version] = line.exec(first) ?? []
  if (method === undefined || target === undefined) return { kind: 'bad', status: 400 }
  if (version !== '1') return { kind: 'bad', status: 505 }
  const hosts: string[] = []
  for (const each of fields) {
    const [, name, value = ''] = field.exec(each) ?? []
    if (name === undefined) return { kind: 'bad', status: 400 }
    if (name.toLowerCase() === 'host') hosts.push(value)
  }
  if (hosts.length > 1) return { kind: 'bad', status: 400 } // section 3.2: must be rejected
  // Section 3.2.2: with a whole URI its authority counts, not the Host field.
  const [, authority, rest] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target) ?? []
  const [, path = '', query = ''] = /^([^?]*)\??(.*)$/.exec(rest ?? target) ?? []
  return { kind: 'request', method, path: path === '' ? '/' : path, query, host: authority ?? hosts[0] }
}
