import test from 'ava'
import { readClientHello } from '../../src/protocol/client-hello.ts'
import {
  alpn,
  body,
  extension,
  grease,
  hello,
  list8,
  list16,
  message,
  record,
  records,
  sni,
  told,
} from './hello-bytes.ts'

/**
 * The hellos of other programs' suites, by the name they have there: Envoy's tls_inspector_test.cc, nginx-tests
 * (stream_ssl_preread*.t), HAProxy's payload.c and tcp-check-client-hello.vtc. Where this reader decides otherwise than its
 * peer, the title says why.
 */
interface Case {
  readonly bytes: Uint8Array
  readonly is: string
}

const zeros = (count: number) => Buffer.alloc(count)
const words = (...values: readonly number[]) =>
  Buffer.from(values.map((value) => value.toString(16).padStart(8, '0')).join(''), 'hex')
const versions = { 'TLS 1.0': 0x0301, 'TLS 1.1': 0x0302, 'TLS 1.2': 0x0303 }

/** What nginx's tests send after the version of the hello: a random, no session, no cipher but 0, and `foo`. */
const nginxTail = Buffer.concat([
  Buffer.of(0xeb),
  words(0x6357cdba, 0xa6b8d853, 0xf1f6ac0f, 0xdf03178c, 0x0ae41824, 0xe7643682, 0x3c1b273f, 0xbfde4b00, 0),
  Buffer.of(0x0c),
  words(0x00000008, 0x00060000, 0x03666f6f),
])
/** The same with a cipher and a compression method. */
const nginxHello = (recordVersion: number, version: number) =>
  record(
    message(body({ version, sessionId: zeros(0), ciphers: zeros(2), extensions: [sni('foo')] })),
    22,
    recordVersion,
  )
const nginxSsl2 = (version: number) =>
  Buffer.concat([
    Buffer.of(0x80, 0x1c, 1, version >> 8, version & 255, 0, 3, 0, 0, 0, 16, 1, 0, 0x80),
    words(0x322dd95c, 0x4749ef17, 0x3d5f0916, 0xf0b730f8),
  ])

const tooBig = message(body({ extensions: [extension(0xffff, zeros(17_000))] }))

const cases: Readonly<Record<string, Case>> = {
  // Envoy
  'Envoy SniRegistered': { bytes: hello(sni('example.com')), is: 'example.com' },
  'Envoy AlpnRegistered': { bytes: hello(alpn('h2', 'http/1.1')), is: 'no name h2,http/1.1' },
  'Envoy MultipleReads, before the last byte': {
    bytes: hello(sni('example.com'), alpn('h2')).subarray(0, -1),
    is: `incomplete ${hello(sni('example.com'), alpn('h2')).length}`,
  },
  'Envoy NoExtensions': { bytes: hello(), is: 'no name' },
  'Envoy ClientHelloTooBig, in one record': { bytes: record(tooBig), is: 'not TLS: malformed' },
  'Envoy ClientHelloTooBig, in records that may be': {
    bytes: records(tooBig, [16_384]),
    is: 'not TLS: too-long',
  },
  'Envoy ConnectionJA3HashGREASE': {
    bytes: hello(...grease, sni('www.envoyproxy.io'), alpn('HTTP/1.1')),
    is: 'www.envoyproxy.io HTTP/1.1',
  },
  'Envoy ConnectionJA3HashTls10NoExtensions': {
    bytes: record(message(body({ version: 0x0301, extensions: null }))),
    is: 'no name',
  },
  'Envoy NotSsl': { bytes: zeros(100), is: 'not TLS: not-handshake' },
  'Envoy NotSslOverMaxReadBytesSingleRead': { bytes: zeros(16_385), is: 'not TLS: not-handshake' },
  'Envoy EarlyTerminationShouldNotRecordBytesProcessed': {
    bytes: hello(sni('example.com')).subarray(0, 60),
    is: `incomplete ${hello(sni('example.com')).length}`,
  },
  'Envoy RequestedMaxReadSizeDoesNotGoBeyondMaxSize': {
    bytes: record(message(zeros(16_376))),
    is: 'not TLS: too-long',
  },
  'Envoy JA4WithSingleCharacterALPN': { bytes: hello(alpn('h')), is: 'no name h' },
  'Envoy JA4WithEmptyALPN, no hello: RFC 7301 has no empty name': {
    bytes: hello(alpn('')),
    is: 'not TLS: malformed',
  },
  'Envoy JA4MalformedClientHello': { bytes: zeros(50), is: 'not TLS: not-handshake' },
  'Envoy JA4EmptyExtensionsList': { bytes: hello(), is: 'no name' },
  'Envoy JA4MaxValuesCiphers': {
    bytes: record(message(body({ ciphers: zeros(200), extensions: [sni('example.com')] }))),
    is: 'example.com',
  },
  'Envoy JA4NonAlphanumericALPN': { bytes: hello(alpn('*2)')), is: 'no name *2)' },
  'Envoy TlsVersionTooLow, taken: the server judges versions': {
    bytes: record(message(body({ version: 0x0300, extensions: [sni('example.com')] }))),
    is: 'example.com',
  },
  'Envoy TlsVersionTooHigh, taken: the server judges versions': {
    bytes: record(message(body({ version: 0x0305, extensions: [sni('example.com')] }))),
    is: 'example.com',
  },

  // nginx
  'nginx stream_ssl_preread sni': { bytes: hello(sni('foo')), is: 'foo' },
  'nginx stream_ssl_preread no sni': { bytes: hello(sni('')), is: 'no name' },
  'nginx stream_ssl_preread not a handshake': {
    bytes: Buffer.alloc(1000, 'x'),
    is: 'not TLS: not-handshake',
  },
  'nginx stream_ssl_preread short client hello': {
    bytes: record(Buffer.concat([words(0x01000033), Buffer.of(3, 3), nginxTail])),
    is: 'not TLS: malformed',
  },
  'nginx stream_ssl_preread_protocol as sent, no hello: no server takes one without a cipher': {
    bytes: record(Buffer.concat([words(0x01000034), Buffer.of(3, 3), nginxTail])),
    is: 'not TLS: malformed',
  },
  'nginx stream_ssl_preread older version in ssl record': { bytes: nginxHello(0x0300, 0x0303), is: 'foo' },
  'nginx stream_ssl_preread handshake fragment split on SNI': {
    bytes: Buffer.concat([
      words(0x16030100, 0x3b010000, 0x380303ac, 0x8c8678a0, 0xaa1e7eed, 0x3644eed6, 0xc3bd2c69, 0x7bc7deda),
      words(0x249db0e3, 0x0c339eba, 0xa80b7600, 0x00020000, 0x0100000d, 0x00000009, 0x00070000, 0x04666f6f),
      words(0x16030100),
      Buffer.of(1, 0x66),
    ]),
    is: 'foof',
  },
  'nginx stream_ssl_preread_alpn alpn many': { bytes: hello(alpn('foo', 'bar')), is: 'no name foo,bar' },
  'nginx ssl_preread ALPN empty protocol': {
    bytes: hello(extension(16, list16(Buffer.of(0)))),
    is: 'not TLS: malformed',
  },
  'nginx ssl_preread ALPN format error': {
    bytes: hello(extension(16, list16(Buffer.from('\x04foo')))),
    is: 'not TLS: malformed',
  },
  'nginx ssl_preread SNI hostname type is not DNS': {
    bytes: hello(extension(0, list16(Buffer.concat([Buffer.of(1), list16(Buffer.from('foo'))])))),
    is: 'not TLS: malformed',
  },
  'nginx ssl_preread SNI format error': {
    bytes: hello(extension(0, list16(Buffer.from('\0\0\x04foo')))),
    is: 'not TLS: malformed',
  },
  'nginx ssl_preread not a client hello': { bytes: record(message(body({}), 2)), is: 'not TLS: not-hello' },
  'nginx ssl_preread unsupported SSL version': {
    bytes: record(message(body({})), 22, 0x0201),
    is: 'not TLS: version',
  },
  'nginx stream_ssl_preread_protocol client hello supported_versions': {
    bytes: hello(extension(43, list8(Buffer.of(0x7f, 0x1c)))),
    is: 'no name',
  },
  'nginx stream_ssl_preread_protocol client hello SSLv3': { bytes: nginxHello(0x0300, 0x0300), is: 'foo' },
  'nginx stream_ssl_preread_protocol client hello version 2': {
    bytes: nginxSsl2(0x0002),
    is: 'not TLS: not-handshake',
  },
  'nginx stream_ssl_preread_protocol client hello version 2 - TLSv1': {
    bytes: nginxSsl2(0x0301),
    is: 'not TLS: not-handshake',
  },

  // HAProxy
  'HAProxy smp_fetch_ssl_hello_sni: an extension too long': {
    bytes: hello(Buffer.concat([Buffer.of(0, 0, 0, 99), zeros(20)])),
    is: 'not TLS: malformed',
  },
  'HAProxy smp_fetch_ssl_hello_sni: no list length': {
    bytes: hello(extension(0, Buffer.of(0))),
    is: 'not TLS: malformed',
  },
  'HAProxy smp_fetch_ssl_hello_sni: fewer than four bytes of a name': {
    bytes: hello(extension(0, list16(Buffer.of(0, 0, 0)))),
    is: 'no name',
  },
  'HAProxy smp_fetch_ssl_hello_sni: a name longer than the list': {
    bytes: hello(extension(0, list16(Buffer.from('\0\0\x09check')))),
    is: 'not TLS: malformed',
  },
  'HAProxy smp_fetch_ssl_hello_alpn: no name': {
    bytes: hello(extension(16, Buffer.of(0, 0))),
    is: 'not TLS: malformed',
  },
  'HAProxy tcp-check-ssl': { bytes: hello(sni('check.haproxy.org')), is: 'check.haproxy.org' },
}
for (const [name, version] of Object.entries(versions)) {
  Object.assign(cases, {
    [`nginx stream_ssl_preread_protocol client hello ${name}`]: {
      bytes: nginxHello(0x0301, version),
      is: 'foo',
    },
  })
}
for (const [name, { bytes, is }] of Object.entries(cases)) {
  test(`${name}: ${is}`, (t) => {
    t.is(told(readClientHello(bytes)), is)
  })
}
