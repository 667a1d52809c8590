import { isAbsolute } from 'node:path'
import { textField } from './field.ts'
import { parseHost, parseLiteral, parsePort } from './host-port.ts'
import { accept, refuse } from './refusal.ts'

/** A DNS label, RFC 1123 section 2.1: what namespaces, Services and ports are named by. */
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** `NAMESPACE/NAME` of a Kubernetes Service. */
export function service() {
  const expected = refuse('must be NAMESPACE/NAME', 'for example gateway/apisix-gateway')
  return textField(
    expected,
    (text) => {
      const [namespace = '', name = '', ...more] = text.split('/')
      if (label.test(text)) return { ...expected, hint: `add the namespace, as in default/${text}` }
      return label.test(namespace) && label.test(name) && more.length === 0
        ? accept({ namespace, name })
        : expected
    },
    { type: 'string' },
  )
}

/** The name of a Service's port. The empty name is that of a Service's only port. */
export function servicePort() {
  const expected = refuse("must be the name of one of the Service's ports", 'a number is no name')
  return textField(
    expected,
    // An IANA service name, as the API server demands it, has a letter.
    (text) => (text === '' || (label.test(text) && /[a-z]/.test(text)) ? accept(text) : expected),
    { type: 'string' },
  )
}

/** A name that a name server knows, in lower case without the final dot. */
export function dnsName() {
  const expected = refuse(
    'must be a full name',
    'for example gateways.example.net, or _https._tcp.example.net',
  )
  return textField(
    expected,
    (text) => {
      if (parseLiteral(text).kind === 'accepted')
        return refuse('must be a name', 'addresses go into `endpoints`')
      const host = parseHost(text)
      return host.kind === 'refused' ? expected : accept(host.value.replace(/\.$/, ''))
    },
    { type: 'string' },
  )
}

/** An IP address, or `ADDRESS:PORT`, of a name server: as dns.setServers() takes it. */
export function nameServer() {
  const expected = refuse(
    'must be an IP address, or ADDRESS:PORT',
    'for example 10.96.0.10 or 127.0.0.1:8600',
  )
  return textField(
    expected,
    (text) => {
      const bare = parseLiteral(text)
      if (bare.kind === 'accepted') return bare
      const [, bracketed, plain, port = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(.*)$/.exec(text) ?? []
      const literal = parseLiteral(bracketed ?? plain ?? '')
      if (literal.kind === 'refused') return expected
      const number = parsePort(port, 1)
      if (number.kind === 'refused') return number
      const host = literal.value.includes(':') ? `[${literal.value}]` : literal.value
      return accept(`${host}:${number.value}`)
    },
    { type: 'string' },
  )
}

/** A path from the root: the folder that a service runs in is nobody's choice. */
export function absolutePath(example: string) {
  const expected = refuse('must be an absolute path', `for example ${example}`)
  return textField(expected, (text) => (isAbsolute(text) && !text.includes('\0') ? accept(text) : expected), {
    type: 'string',
    pattern: '^/',
  })
}

/** Text that is not empty, such as that of a variable that is set. */
export function filledText() {
  const expected = refuse('must be text', 'leave it out when there is none')
  return textField(expected, (text) => (text.trim() === '' ? expected : accept(text)), { type: 'string' })
}

/** `auto` (null) or the URL of an API server. */
export function apiServer() {
  const expected = refuse('must be `auto` or a URL', 'for example https://10.0.0.1:6443')
  return textField<string | null>(
    expected,
    (text) => {
      if (text === 'auto') return accept(null)
      const url = URL.parse(text)
      if (url === null || !/^https?:$/.test(url.protocol)) return expected
      if (url.username !== '' || url.password !== '')
        return refuse('must have no user or password in it', 'write credentials into a kubeconfig')
      return accept(url.href.replace(/\/$/, ''))
    },
    { const: 'auto' },
    { type: 'string', pattern: '^https?://' },
  )
}
