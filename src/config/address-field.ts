import { field, textField } from './field.ts'
import {
  type HostPort,
  parseEndpoint,
  parseHost,
  parseListen,
  parseLiteral,
  parsePlace,
} from './host-port.ts'
import { type Accepted, accept, type Refusal, refuse } from './refusal.ts'
import { offForm, readSwitch, switchHint } from './switch.ts'

/** `HOST:PORT` of an endpoint, or `unix:/path` or `unix:@name` of a UNIX socket. */
export function endpointPlace() {
  return addressField(parsePlace)
}

/** `HOST:PORT` of an endpoint. */
export function endpointAddress() {
  return addressField(parseEndpoint)
}

function addressField<Place>(parse: (text: string) => Accepted<Place> | Refusal) {
  const expected = refuse('must be HOST:PORT', 'for example 127.0.0.1:9080')
  return field<Place>(
    (given) => {
      if (typeof given === 'string') return parse(given)
      return typeof given === 'number' ? { ...expected, hint: `for example 127.0.0.1:${given}` } : expected
    },
    { type: 'string' },
  )
}

const listenExpected = refuse(
  'must be ADDRESS:PORT',
  'write "[::]:80" for all addresses, 127.0.0.1:80 for one',
)

/** `ADDRESS:PORT` to listen on. */
export function listenAddress() {
  return textField(listenExpected, parseListen, { type: 'string' })
}

/** `ADDRESS:PORT` to listen on, or null for `off`. */
export function listenOrOff() {
  return field<HostPort | null>(
    (given) => {
      const state = readSwitch(given)
      if (state === false) return accept(null)
      const hint = state === true ? 'write the address, for example 127.0.0.1:9981' : switchHint(given)
      if (hint !== null) return refuse('must be `off` or ADDRESS:PORT', hint)
      return typeof given === 'string' ? parseListen(given) : listenExpected
    },
    offForm,
    { type: 'string' },
  )
}

/** A literal IP address of this machine. */
export function sourceAddress() {
  const expected = refuse('must be an IP address', null)
  return textField(
    expected,
    (text) => {
      const ip = parseLiteral(text)
      const wildcard = ip.kind === 'accepted' && (ip.value === '::' || ip.value === '0.0.0.0')
      return wildcard
        ? refuse('must be one address of this machine', 'leave `source` out to let the kernel choose')
        : ip
    },
    { type: 'string' },
  )
}

/** The name of a listener or pool. Names are metric labels and parts of admin paths. */
export function name() {
  return textField(refuse('must be text', 'put it in quotes'), parseName, { type: 'string' })
}

/** Letters, digits, `.`, `_` and `-`; 63, as for a DNS label, is enough for a name in a graph's legend. */
export function parseName(text: string): Accepted<string> | Refusal {
  if (/^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/i.test(text)) return accept(text)
  return refuse(
    'is not a valid name',
    'at most 63 letters, digits, `.`, `_` and `-`; a letter or digit first and last',
  )
}

/** A host name or literal address, without a port. */
export function host() {
  return textField(refuse('must be an IP address or a host name', null), parseHost, { type: 'string' })
}

/** A host name; RFC 6066 section 3 allows no literal address in SNI. */
export function serverName() {
  return textField(
    refuse('must be a host name', null),
    (text) => {
      const host = parseHost(text)
      const literal = parseLiteral(text).kind === 'accepted'
      return literal || host.kind === 'refused'
        ? refuse('must be a host name', 'an IP address cannot be a TLS server name')
        : host
    },
    { type: 'string' },
  )
}

/** The request target of an http probe: printable, so that it cannot carry a second header line. */
export function requestPath() {
  return textField(
    refuse('must be the path of a URL', 'for example /status/ready'),
    (text) =>
      /^\/[\x21-\x7e]*$/.test(text)
        ? accept(text)
        : refuse(
            'must be the path of a URL',
            'it begins with `/` and has no spaces; for example /status/ready',
          ),
    { type: 'string', pattern: '^/' },
  )
}

/** `auto`, `off` or the path of a UNIX socket. */
export function socketPath() {
  const expected = 'must be `auto`, `off` or an absolute path'
  // sun_path of sockaddr_un has 108 bytes with its final zero: unix(7).
  const maxPathBytes = 107
  return field<{ kind: 'auto' } | { kind: 'off' } | { kind: 'path'; path: string }>(
    (given) => {
      if (given === 'auto') return accept({ kind: given })
      const state = readSwitch(given)
      if (state === false) return accept({ kind: 'off' })
      if (state === true) return refuse(expected, 'write `auto`')
      if (typeof given !== 'string' || !given.startsWith('/') || given.includes('\0'))
        return refuse(expected, null)
      if (Buffer.byteLength(given) > maxPathBytes) {
        return refuse(
          `must be a path of at most ${maxPathBytes} bytes`,
          'the kernel takes no longer one for a UNIX socket',
        )
      }
      return accept({ kind: 'path', path: given })
    },
    { const: 'auto' },
    offForm,
    { type: 'string', pattern: '^/' },
  )
}

/** `auto` or the path of a file. */
export function autoOrPath() {
  const expected = refuse('must be `auto` or an absolute path', null)
  return field<{ kind: 'auto' } | { kind: 'path'; path: string }>(
    (given) => {
      if (given === 'auto') return accept({ kind: given })
      if (readSwitch(given) === true) return { ...expected, hint: 'write `auto`' }
      if (typeof given !== 'string' || !given.startsWith('/') || given.includes('\0')) return expected
      return accept({ kind: 'path', path: given })
    },
    { const: 'auto' },
    { type: 'string', pattern: '^/' },
  )
}

/** `@NAME` of an abstract UNIX socket, without the `@`, or null for `off`. */
export function abstractOrOff() {
  const expected = 'must be `off` or a name such as "@spliceway"'
  // sun_path of sockaddr_un has 108 bytes; the first of an abstract name is zero: unix(7).
  const maxNameBytes = 107
  return field<string | null>(
    (given) => {
      if (readSwitch(given) === false) return accept(null)
      if (typeof given !== 'string') return refuse(expected, null)
      const name = given.slice(1)
      if (!/^@[\x21-\x7e]+$/.test(given)) {
        const hint = given.startsWith('/') ? 'an abstract socket has no path: it begins with `@`' : null
        return refuse(expected, hint)
      }
      return name.length <= maxNameBytes
        ? accept(name)
        : refuse(`must have at most ${maxNameBytes} bytes after the \`@\``, null)
    },
    offForm,
    { type: 'string', pattern: '^@' },
  )
}
