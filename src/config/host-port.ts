import { isIP } from 'node:net'
import { formatIp, parseIp } from '../core/address.ts'
import { type Accepted, accept, type Refusal, refuse } from './refusal.ts'

export interface HostPort {
  /** A literal address in canonical form without brackets, or a name in lower case. */
  readonly host: string
  readonly port: number
}

/** A UNIX socket: an absolute path, or `@name` in the abstract namespace. */
export interface UnixPlace {
  readonly unix: string
}

/**
 * sun_path of sockaddr_un has 108 bytes: with a path goes its final zero, before an abstract name a zero:
 * unix(7).
 */
const maxUnixBytes = 107

/** Reads what stands behind `unix:`. */
export function parseUnix(path: string): Accepted<UnixPlace> | Refusal {
  const expected = 'must be `unix:` and an absolute path, or `unix:@` and a name'
  if (path.startsWith('//')) return refuse(expected, `write unix:${path.replace(/^\/+/, '/')}`)
  // Blanks and control characters would make the label of a metric, or a line of the log, hard to read.
  if (!/^[/@][^\s\p{Cc}]+$/u.test(path)) return refuse(expected, 'for example unix:/run/gateway.sock')
  const bytes = Buffer.byteLength(path) - (path.startsWith('@') ? 1 : 0)
  return bytes <= maxUnixBytes
    ? accept({ unix: path })
    : refuse(
        `has more than ${maxUnixBytes} bytes after \`unix:\``,
        'the kernel takes no longer name for a UNIX socket',
      )
}

/** What an address is called in messages, and an example. */
interface Form {
  readonly text: string
  readonly example: string
}

const endpointForm: Form = { text: 'HOST:PORT', example: '127.0.0.1:9080' }
const listenForm: Form = {
  text: 'ADDRESS:PORT',
  example: '"[::]:80" for all addresses, 127.0.0.1:80 for this machine only',
}

/** Reads an endpoint of the configuration: `HOST:PORT`, or `unix:` and the name of a UNIX socket. */
export function parsePlace(text: string): Accepted<HostPort | UnixPlace> | Refusal {
  return text.startsWith('unix:') ? parseUnix(text.slice('unix:'.length)) : parseEndpoint(text)
}

/** Reads `HOST:PORT` of an endpoint: a literal address or a name, port 1 to 65535. */
export function parseEndpoint(text: string): Accepted<HostPort> | Refusal {
  const split = splitHostPort(text, endpointForm)
  if (split.kind === 'refused') return split
  const host = parseHost(split.value.host)
  if (host.kind === 'refused') return host
  const port = parsePort(split.value.port, 1)
  return port.kind === 'refused' ? port : accept({ host: host.value, port: port.value })
}

/** Reads what can be listened on: a literal address and a port, 0 to let the kernel choose one. */
export function parseListen(text: string): Accepted<HostPort> | Refusal {
  const split = splitHostPort(text, listenForm)
  if (split.kind === 'refused') return split
  const { host } = split.value
  const ip = parseLiteral(host)
  if (ip.kind === 'refused') return isIP(host) === 0 ? { ...ip, hint: `write ${listenForm.example}` } : ip
  const port = parsePort(split.value.port, 0)
  return port.kind === 'refused' ? port : accept({ host: ip.value, port: port.value })
}

/** Reads a literal IP address without brackets or port, in canonical form. */
export function parseLiteral(text: string): Accepted<string> | Refusal {
  const ip = parseIp(text)
  if (ip === undefined)
    return refuse('must be an IP address', 'without brackets or port; a name is not possible here')
  // fe80::/10: the kernel wants to know on which network, and a SocketAddress has no room for that.
  const [a = 0, b = 0] = ip.bytes
  if (ip.family === 6 && a === 0xfe && (b & 0xc0) === 0x80) {
    const hint =
      'zones such as `%eth0` are not supported: give another address of that host, global or from fd00::/8'
    return refuse('is link-local, which only works with a zone', hint)
  }
  if (text.includes('%'))
    return refuse('cannot have a zone', `leave out \`${text.slice(text.indexOf('%'))}\``)
  return accept(formatIp(ip))
}

/** Reads a literal IP address or a name that could be one of a host. */
export function parseHost(text: string): Accepted<string> | Refusal {
  if (isIP(text) !== 0) return parseLiteral(text)
  const labels = text.replace(/\.$/, '').split('.')
  // getaddrinfo() takes 10.0.5 for 10.0.0.5, and 0x7f.1 for 127.0.0.1; whoever writes that meant something
  // else.
  if (/^(\d+|0x[0-9a-f]*)$/i.test(labels.at(-1) ?? '')) {
    return refuse(
      'must be an IP address or a host name',
      'this looks like an IPv4 address, which has four numbers up to 255',
    )
  }
  // RFC 1123 section 2.1, and the underscore, which container names have.
  const valid = labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))
  if (!valid || text.length > 253) {
    return refuse('must be an IP address or a host name', 'a name has letters, digits, `-` and `.`')
  }
  return accept(text.toLowerCase())
}

/** Digits without a leading zero, from `min` to 65535. */
export function parsePort(text: string, min: 0 | 1): Accepted<number> | Refusal {
  const port = /^(0|[1-9]\d{0,4})$/.test(text) ? Number(text) : Number.NaN
  if (port >= min && port <= 65_535) return accept(port)
  const zeros = /^0\d/.test(text) ? ' without leading zeros' : ''
  return refuse('has a bad port', `a port is a whole number from ${min} to 65535${zeros}`)
}

function splitHostPort(text: string, form: Form): Accepted<{ host: string; port: string }> | Refusal {
  const expected = `must be ${form.text}`
  const url = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)/i.exec(text)
  if (url !== null) return refuse(`${expected}, not a URL`, `drop the scheme: ${withPort(url)}`)
  // YAML goes on reading when the next `-` stands further to the right, or has no blank behind it.
  if (/\s-/.test(text))
    return refuse(`must be one ${form.text}`, 'begin each `- ` of a list in the same column')
  if (text.startsWith('unix:'))
    return refuse(expected, 'a UNIX socket can only stand in the `endpoints` of a pool')
  if (text.startsWith('/')) return refuse(expected, `a UNIX socket is written unix:${text}`)
  if (text.includes('/')) return refuse(expected, 'drop everything from `/` on')
  if (text.includes(','))
    return refuse(`must be one ${form.text}`, `write a list: [${text.split(',').join(', ')}]`)
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  if (bracketed !== null) {
    const [, host = '', port] = bracketed
    if (isIP(host) !== 6)
      return refuse('must have an IPv6 address in the brackets', `for example [::1]:${port ?? 80}`)
    return port === undefined ? refuse('has no port', `for example ${text}:80`) : accept({ host, port })
  }
  const colon = text.lastIndexOf(':')
  if (text.indexOf(':') !== colon) {
    return refuse('needs brackets around its IPv6 address', `for example ${withBrackets(text, colon)}`)
  }
  if (/^\d+$/.test(text) || colon === 0 || text.startsWith('*:')) {
    return refuse('has no address', `write ${form.example}`)
  }
  if (colon === -1)
    return refuse('has no port', `for example ${isIP(text) === 4 ? `${text}:80` : form.example}`)
  return accept({ host: text.slice(0, colon), port: text.slice(colon + 1) })
}

/** `2001:db8::1:80` is an address, or an address and a port: the latter is more likely meant. */
function withBrackets(text: string, colon: number): string {
  const [head, tail] = [text.slice(0, colon), text.slice(colon + 1)]
  if (isIP(head) === 6 && parsePort(tail, 1).kind === 'accepted') return `[${head}]:${tail}`
  return isIP(text) === 6 ? `[${text}]:80` : '[::1]:80'
}

/** The address in a URL, with the port that its scheme stands for. */
function withPort(url: RegExpExecArray): string {
  const [, scheme = '', authority = ''] = url
  if (/:\d+$/.test(authority)) return authority
  return `${authority}:${scheme.toLowerCase() === 'https' ? 443 : 80}`
}
