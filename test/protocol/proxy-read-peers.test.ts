import test from 'ava'
import { readProxy } from '../../src/protocol/proxy-read.ts'
import { block4, block6, blockUnix, line, signature, tlv, told, v2 } from './proxy-bytes.ts'

/**
 * The headers of other programs' suites, by the name they have there: Envoy's proxy_protocol_test.cc, HAProxy's
 * proxy_protocol_tlv_validation.vtc and conn_recv_proxy(), go-proxyproto's v1_test.go, v2_test.go, tlv_test.go and
 * fuzz_test.go, nginx-tests. Where this reader decides otherwise than its peer, the title says why.
 */
interface Case {
  readonly bytes: Uint8Array
  readonly is: string
}

const envoyBlock = Buffer.from('010203040001010203050002', 'hex')
const envoy4 = 'v2 proxy 1.2.3.4:773 > 0.1.1.2:2 '
const more = line('more data')
const zeros = (count: number) => Buffer.alloc(count)
const v1 = (text: string) => line(`PROXY ${text}\r\n`)
const goIpv4 = '127.0.0.1 127.0.0.1 65533 65533'
const goIpv6 = '::1 ::1 65533 65533'
const goLong = '1234:5678:9abc:def0:cafe:babe:dead:2bad 1234:5678:9abc:def0:cafe:babe:dead:2bad 65533 65533'
const go4 = Buffer.from('7f0000017f000001fffdfffd', 'hex')
const haproxyBlock = Buffer.from('7f0000017f000001002a0539', 'hex')

const cases: Readonly<Record<string, Case>> = {
  // Envoy
  'Envoy V1Basic': {
    bytes: line('PROXY TCP4 1.2.3.4 253.253.253.253 65535 1234\r\nmore data'),
    is: 'v1 proxy 1.2.3.4:65535 > 253.253.253.253:1234 (47)',
  },
  'Envoy AllowTinyNoProxyProtocol': { bytes: line('data'), is: 'not this' },
  'Envoy AllowTinyNoProxyProtocolPartialMatchesV1First': { bytes: line('PR\r\n'), is: 'not this' },
  'Envoy AllowTinyNoProxyProtocolPartialMatchesV2First': { bytes: line('\r\nOX'), is: 'not this' },
  'Envoy AllowLargeNoProxyProtocol': { bytes: line('more data more data more data'), is: 'not this' },
  'Envoy V1Minimal': { bytes: line('PROXY UNKNOWN\r\nmore data'), is: 'v1 local nobody (15)' },
  'Envoy V2Basic': { bytes: v2(0x21, 0x11, [envoyBlock, more], 12), is: `${envoy4}(28)` },
  'Envoy BasicV6': {
    bytes: line('PROXY TCP6 1:2:3::4 5:6::7:8 65535 1234\r\nmore data'),
    is: 'v1 proxy [1:2:3::4]:65535 > [5:6::7:8]:1234 (41)',
  },
  'Envoy V2BasicV6, which says UDP': {
    bytes: v2(0x21, 0x22, [block6, more], 36),
    is: 'v2 proxy [2001:db8::1]:1234 > [2001:db8::2]:5678 (52)',
  },
  'Envoy V2UnsupportedAF': { bytes: v2(0x21, 0x41, [envoyBlock, more], 12), is: 'malformed family' },
  'Envoy V2NotLocalOrOnBehalf': { bytes: v2(0x23, 0x1f, [envoyBlock, more], 12), is: 'malformed command' },
  'Envoy V2LocalConnection': { bytes: v2(0x20, 0, [more], 0), is: 'v2 local nobody (16)' },
  'Envoy V2LocalConnectionExtension': {
    bytes: v2(0x20, 0, [tlv(0, Buffer.of(0xff)), more], 4),
    is: 'v2 local nobody (20)',
  },
  "Envoy V2LocalConnectionFilterState, an NLB's health check": {
    bytes: v2(0x20, 0, [tlv(0, Buffer.of(10, 11, 12, 13)), more], 7),
    is: 'v2 local nobody (23)',
  },
  'Envoy V2ShortV4': { bytes: v2(0x21, 0x21, [Buffer.of(0, 8, 0, 2), more], 4), is: 'malformed too-short' },
  'Envoy V2ShortAddrV4': { bytes: v2(0x21, 0x11, [envoyBlock, more], 11), is: 'malformed too-short' },
  'Envoy V2ShortV6': { bytes: v2(0x21, 0x22, [zeros(20), more], 20), is: 'malformed too-short' },
  'Envoy V2ShortAddrV6': { bytes: v2(0x21, 0x22, [block6, more], 35), is: 'malformed too-short' },
  'Envoy V2AF_UNIX, refused because 20 bytes hold no two paths': {
    bytes: v2(0x21, 0x32, [zeros(20), more], 20),
    is: 'malformed too-short',
  },
  'Envoy V2BadCommand': { bytes: v2(0x29, 0x32, [zeros(20), more], 20), is: 'malformed command' },
  'Envoy V2WrongVersion, which has a wrong family': {
    bytes: v2(0x21, 0x93, [zeros(20), more], 20),
    is: 'malformed family',
  },
  'Envoy V1TooLong': {
    bytes: line(`PROXY TCP4 1.2.3.4 2.3.4.5 100 100${' '.repeat(256)}`),
    is: 'malformed line-too-long',
  },
  'Envoy V2ParseExtensions': {
    bytes: v2(0x21, 0x11, [envoyBlock, tlv(0, 'x'), tlv(0, 'x'), line('DATA')], 20),
    is: `${envoy4}(36)`,
  },
  'Envoy V2Fragmented1, its first piece': { bytes: signature.subarray(0, 10), is: 'incomplete 16' },
  'Envoy V2Fragmented2, its first piece': {
    bytes: v2(0x21, 0x11, [envoyBlock]).subarray(0, 17),
    is: 'incomplete 28',
  },
  'Envoy V2Fragmented3, its first piece': {
    bytes: v2(0x21, 0x11, [envoyBlock]).subarray(0, 16),
    is: 'incomplete 28',
  },
  'Envoy Fragmented and PartialRead, their first pieces': {
    bytes: line('PROXY TCP4 254.254.2'),
    is: 'incomplete 32',
  },
  'Envoy TinyPartialV1ReadWithAllowNoProxyProtocol, its first piece': {
    bytes: line('PRO'),
    is: 'incomplete 15',
  },
  'Envoy TinyPartialV2ReadWithAllowNoProxyProtocol, its first piece': {
    bytes: signature.subarray(0, 3),
    is: 'incomplete 16',
  },
  'Envoy V2ParseExtensionsLargeThanInitMaxReadBytes, refused: 64 KiB are more than a preface may have': {
    bytes: v2(0x21, 0x11, [envoyBlock], 0xffff),
    is: 'malformed too-long',
  },
  'Envoy V2ExtractMultipleTlvsOfInterest': {
    bytes: v2(0x21, 0x11, [
      envoyBlock,
      tlv(0, 'x'),
      tlv(2, 'foo.com'),
      tlv(0x0f, 'xyz'),
      tlv(0xea, '\x01vpc-025test2fa6c63ha7'),
    ]),
    is: `${envoy4}(73)`,
  },
  'Envoy V2WrongTLVLength': {
    bytes: v2(0x21, 0x11, [envoyBlock, Buffer.of(0, 0, 2, 0xff)]),
    is: 'malformed tlv',
  },
  'Envoy V2IncompleteTLV': {
    bytes: v2(0x21, 0x11, [envoyBlock, Buffer.of(0, 0, 1, 0xff, 1, 0, 1, 0xff)], 17),
    is: 'malformed tlv',
  },
  'Envoy MalformedProxyLine': { bytes: line('BOGUS\r'), is: 'not this' },
  'Envoy ProxyLineTooLarge': { bytes: line('0123456789'.repeat(12)), is: 'not this' },
  'Envoy NotEnoughFields': { bytes: v1('TCP6 1:2:3::4 5:6::7:8 1234'), is: 'malformed fields' },
  'Envoy UnsupportedProto': { bytes: v1('UDP6 1:2:3::4 5:6::7:8 1234 5678'), is: 'malformed protocol' },
  'Envoy InvalidSrcAddress, taken: no rule of the protocol forbids to name a multicast address': {
    bytes: v1('TCP4 230.0.0.1 10.1.1.3 1234 5678'),
    is: 'v1 proxy 230.0.0.1:1234 > 10.1.1.3:5678 (41)',
  },
  'Envoy InvalidDstAddress, taken: no rule of the protocol forbids 0.0.0.0': {
    bytes: v1('TCP4 10.1.1.2 0.0.0.0 1234 5678'),
    is: 'v1 proxy 10.1.1.2:1234 > 0.0.0.0:5678 (39)',
  },
  'Envoy BadPort': { bytes: v1('TCP6 1:2:3::4 5:6::7:8 1234 abc'), is: 'malformed port' },
  'Envoy NegativePort': { bytes: v1('TCP6 1:2:3::4 5:6::7:8 -1 1234'), is: 'malformed port' },
  'Envoy PortOutOfRange': { bytes: v1('TCP6 1:2:3::4 5:6::7:8 66776 1234'), is: 'malformed port' },
  'Envoy BadAddress': { bytes: v1('TCP6 1::2:3::4 5:6::7:8 1234 5678'), is: 'malformed address' },
  'Envoy AddressVersionsNotMatch': {
    bytes: v1('TCP4 [1:2:3::4] 1.2.3.4 1234 5678'),
    is: 'malformed address',
  },
  'Envoy AddressVersionsNotMatch2': {
    bytes: v1('TCP4 1.2.3.4 [1:2:3: 1234 4]:5678'),
    is: 'malformed address',
  },
  'Envoy Truncated': { bytes: line('PROXY TCP4 1.2.3.4 5.6.7.8 1234 5678'), is: 'incomplete 38' },
  'Envoy Closed': { bytes: line('PROXY TCP4 1.2.3'), is: 'incomplete 32' },
  'Envoy ClosedEmpty': { bytes: line(''), is: 'incomplete 15' },
  'Envoy WildcardProxyProtocolTest BasicV6': {
    bytes: line('PROXY TCP6 1:2:3::4 5:6::7:8 65535 1234\r\nmore data'),
    is: 'v1 proxy [1:2:3::4]:65535 > [5:6::7:8]:1234 (41)',
  },

  // HAProxy
  'HAProxy proxy_protocol_tlv_validation: a correct header passes': {
    bytes: v2(0x21, 0x11, [haproxyBlock, tlv(2, '12345')]),
    is: 'v2 proxy 127.0.0.1:42 > 127.0.0.1:1337 (36)',
  },
  'HAProxy proxy_protocol_tlv_validation: a TLV after the end of the header is not parsed': {
    bytes: v2(0x21, 0x11, [haproxyBlock, tlv(2, '12345'), tlv(2, '54321')], 20),
    is: 'v2 proxy 127.0.0.1:42 > 127.0.0.1:1337 (36)',
  },
  'HAProxy proxy_protocol_tlv_validation: a TLV length exceeding the header fails': {
    bytes: v2(0x21, 0x11, [haproxyBlock, tlv(2, '1234512345')], 20),
    is: 'malformed tlv',
  },
  'HAProxy proxy_protocol_tlv_validation: TLVs not ending with the header fail': {
    bytes: v2(0x21, 0x11, [haproxyBlock, tlv(2, '1234'), line('G')], 20),
    is: 'malformed tlv',
  },
  'HAProxy proxy_protocol_send_generic: a custom TLV and one without a value': {
    bytes: v2(0x21, 0x11, [haproxyBlock, tlv(0xe1, 'foo'), tlv(0xe2, '')]),
    is: 'v2 proxy 127.0.0.1:42 > 127.0.0.1:1337 (37)',
  },
  'HAProxy conn_recv_proxy: a checksum that has not four bytes': {
    bytes: v2(0x21, 0x11, [haproxyBlock, tlv(3, '123')]),
    is: 'malformed checksum',
  },
  'HAProxy conn_recv_proxy: a wrong checksum': {
    bytes: v2(0x21, 0x11, [haproxyBlock, tlv(3, '1234')]),
    is: 'malformed checksum',
  },
  'HAProxy conn_recv_proxy: an authority of 256 bytes': {
    bytes: v2(0x21, 0x11, [haproxyBlock, tlv(2, 'x'.repeat(256))]),
    is: 'malformed authority',
  },
  'HAProxy conn_recv_proxy: a unique id of 129 bytes': {
    bytes: v2(0x21, 0x11, [haproxyBlock, tlv(5, 'x'.repeat(129))]),
    is: 'malformed unique-id',
  },
  'HAProxy conn_recv_proxy: a value of 1,025 bytes, taken: a client certificate has more': {
    bytes: v2(0x21, 0x11, [haproxyBlock, tlv(0xe0, zeros(1025))]),
    is: 'v2 proxy 127.0.0.1:42 > 127.0.0.1:1337 (1056)',
  },
  'HAProxy conn_recv_proxy: half a TLV head': {
    bytes: v2(0x21, 0x11, [haproxyBlock, Buffer.of(2, 0)]),
    is: 'malformed tlv',
  },
  'HAProxy conn_recv_proxy: LOCAL with TLVs': {
    bytes: v2(0x20, 0, [tlv(5, 'TEST-foo')]),
    is: 'v2 local nobody (27)',
  },
  'HAProxy conn_recv_proxy: UNKNOWN followed by addresses, taken: only the CRLF ends it': {
    bytes: v1('UNKNOWN ffff:f::ffff ffff:f::ffff 65535 65535'),
    is: 'v1 local nobody (53)',
  },

  // go-proxyproto, v1
  'go-proxyproto v1 no signature': { bytes: line('hello'), is: 'not this' },
  'go-proxyproto v1 prox': { bytes: line('PROX'), is: 'incomplete 15' },
  'go-proxyproto v1 proxy lf': { bytes: line('PROXY \n'), is: 'malformed protocol' },
  'go-proxyproto v1 proxy crlf': { bytes: line('PROXY \r\n'), is: 'malformed protocol' },
  'go-proxyproto v1 proxy no space crlf': { bytes: line('PROXY\r\n'), is: 'not this' },
  'go-proxyproto v1 proxy something crlf': { bytes: v1('SOMETHING'), is: 'malformed protocol' },
  'go-proxyproto v1 incomplete signature TCP4': { bytes: line(`PROXY TCP4 ${goIpv4}`), is: 'incomplete 44' },
  'go-proxyproto v1 invalid IP address': {
    bytes: v1('TCP4 invalid invalid 65533 65533'),
    is: 'malformed address',
  },
  'go-proxyproto v1 TCP4 with IPv6 addresses': { bytes: v1(`TCP4 ${goIpv6}`), is: 'malformed address' },
  'go-proxyproto v1 TCP4 with IPv4 mapped addresses': {
    bytes: v1('TCP4 ::ffff:127.0.0.1 ::ffff:127.0.0.1 65533 65533'),
    is: 'malformed address',
  },
  'go-proxyproto v1 TCP6 with invalid address': {
    bytes: v1('TCP6 not-an-ip ::1 1234 5678'),
    is: 'malformed address',
  },
  'go-proxyproto v1 TCP4 with invalid port': {
    bytes: v1('TCP4 127.0.0.1 127.0.0.1 99999 99999'),
    is: 'malformed port',
  },
  'go-proxyproto v1 header too long': {
    bytes: v1(`UNKNOWN ${goLong} ${'x'.repeat(8)}`),
    is: 'malformed line-too-long',
  },
  'go-proxyproto v1 TCP4 with signed port': {
    bytes: v1('TCP4 1.2.3.4 5.6.7.8 +80 443'),
    is: 'malformed port',
  },
  'go-proxyproto v1 TCP4 with leading-zero port': {
    bytes: v1('TCP4 1.2.3.4 5.6.7.8 080 443'),
    is: 'malformed port',
  },
  'go-proxyproto v1 TCP4 with empty port token': {
    bytes: v1('TCP4 1.2.3.4 5.6.7.8  443'),
    is: 'malformed port',
  },
  'go-proxyproto v1 TCP4 with trailing token': {
    bytes: v1('TCP4 1.2.3.4 5.6.7.8 80 443 extra'),
    is: 'malformed fields',
  },
  'go-proxyproto v1 signature with trailing garbage': {
    bytes: line('PROXYjunk TCP4 1.2.3.4 5.6.7.8 80 443\r\n'),
    is: 'not this',
  },
  'go-proxyproto v1 signature glued to protocol': {
    bytes: line('PROXYTCP4 1.2.3.4 5.6.7.8 80 443\r\n'),
    is: 'not this',
  },
  'go-proxyproto v1 TCP6 with zoned source address': {
    bytes: v1('TCP6 fe80::1%eth0 fe80::2 80 443'),
    is: 'malformed address',
  },
  'go-proxyproto v1 TCP6 with zoned destination address': {
    bytes: v1('TCP6 fe80::1 fe80::2%eth0 80 443'),
    is: 'malformed address',
  },
  'go-proxyproto v1 TCP4 with leading-zero octet': {
    bytes: v1('TCP4 01.2.3.4 5.6.7.8 80 443'),
    is: 'malformed address',
  },
  'go-proxyproto v1 TCP6 with plain IPv4 addresses': {
    bytes: v1('TCP6 192.0.2.1 192.0.2.2 1234 5678'),
    is: 'malformed address',
  },
  'go-proxyproto v1 TCP6 with plain IPv4 destination': {
    bytes: v1('TCP6 2001:db8::1 192.0.2.1 51512 22'),
    is: 'malformed address',
  },
  'go-proxyproto v1 TCP4': {
    bytes: line(`PROXY TCP4 ${goIpv4}\r\nGET /`),
    is: 'v1 proxy 127.0.0.1:65533 > 127.0.0.1:65533 (44)',
  },
  'go-proxyproto v1 TCP6': {
    bytes: line(`PROXY TCP6 ${goIpv6}\r\nGET /`),
    is: 'v1 proxy [::1]:65533 > [::1]:65533 (32)',
  },
  'go-proxyproto v1 TCP4IN6': {
    bytes: v1('TCP6 ::ffff:127.0.0.1 ::ffff:127.0.0.1 65533 65533'),
    is: 'v1 proxy 127.0.0.1:65533 > 127.0.0.1:65533 (58)',
  },
  'go-proxyproto v1 unknown': { bytes: v1('UNKNOWN'), is: 'v1 local nobody (15)' },
  'go-proxyproto v1 unknown with addresses and ports': {
    bytes: v1('UNKNOWN 127.0.0.1 127.0.0.1 99999 99999'),
    is: 'v1 local nobody (47)',
  },
  'go-proxyproto TestParseVersion1Overflow': { bytes: line(' '.repeat(65_536)), is: 'not this' },
  'go-proxyproto TestVersion1Overflow and TestVersion1SlowLorisOverflow': {
    bytes: line(`PROXY TCP6 ${goLong}${' '.repeat(10_240)}`),
    is: 'malformed line-too-long',
  },
  'go-proxyproto TestVersion1SlowLoris': { bytes: line(`PROXY TCP6 ${goLong}`), is: 'incomplete 104' },
  'go-proxyproto TestParseV1Boundaries port 65535': {
    bytes: v1('TCP4 1.2.3.4 5.6.7.8 65535 65535'),
    is: 'v1 proxy 1.2.3.4:65535 > 5.6.7.8:65535 (40)',
  },
  'go-proxyproto TestParseV1Boundaries port 65536': {
    bytes: v1('TCP4 1.2.3.4 5.6.7.8 65536 443'),
    is: 'malformed port',
  },
  'go-proxyproto TestParseV1Boundaries 107-byte line': {
    bytes: v1(`UNKNOWN ${'x'.repeat(91)}`),
    is: 'v1 local nobody (107)',
  },
  'go-proxyproto TestParseV1Boundaries 108-byte line': {
    bytes: v1(`UNKNOWN ${'x'.repeat(92)}`),
    is: 'malformed line-too-long',
  },

  // go-proxyproto, v2
  'go-proxyproto v2 truncated v2 signature': { bytes: signature.subarray(2), is: 'not this' },
  'go-proxyproto v2 signature and nothing else': { bytes: signature, is: 'incomplete 16' },
  'go-proxyproto v2 signature with invalid command': {
    bytes: Buffer.concat([signature, Buffer.of(0x99)]),
    is: 'malformed version',
  },
  'go-proxyproto v2 signature with command but nothing else': {
    bytes: Buffer.concat([signature, Buffer.of(0x21)]),
    is: 'incomplete 16',
  },
  'go-proxyproto v2 command proxy but inet family unspec, taken: HAProxy and nginx do': {
    bytes: v2(0x21, 0, []),
    is: 'v2 proxy nobody (16)',
  },
  'go-proxyproto v2 signature with command and invalid inet family': {
    bytes: Buffer.concat([signature, Buffer.of(0x21, 0x99)]),
    is: 'malformed family',
  },
  'go-proxyproto v2 TCPv4 but no length': {
    bytes: Buffer.concat([signature, Buffer.of(0x21, 0x11)]),
    is: 'incomplete 16',
  },
  'go-proxyproto v2 TCPv4 but invalid length': {
    bytes: Buffer.concat([signature, Buffer.of(0x21, 0x11, 0x99)]),
    is: 'incomplete 16',
  },
  'go-proxyproto v2 unspec but no length': {
    bytes: Buffer.concat([signature, Buffer.of(0x20, 0)]),
    is: 'incomplete 16',
  },
  'go-proxyproto v2 TCPv4 with mismatching length': { bytes: v2(0x21, 0x11, [], 12), is: 'incomplete 28' },
  'go-proxyproto v2 TCPv6 with mismatching length': { bytes: v2(0x21, 0x21, [], 36), is: 'incomplete 52' },
  'go-proxyproto v2 TCPv4 length zero but with address and ports': {
    bytes: v2(0x21, 0x11, [block6], 0),
    is: 'malformed too-short',
  },
  'go-proxyproto v2 TCPv6 with IPv6 length but IPv4 address and ports': {
    bytes: v2(0x21, 0x21, [go4], 36),
    is: 'incomplete 52',
  },
  'go-proxyproto v2 unspec length greater than zero but no TLVs': {
    bytes: v2(0x20, 0, [], 100),
    is: 'incomplete 116',
  },
  'go-proxyproto v2 TCPv4 with too large TLV, taken: 10 KiB are within 16': {
    bytes: v2(0x21, 0x11, [go4, tlv(4, zeros(10 * 1024))]),
    is: 'v2 proxy 127.0.0.1:65533 > 127.0.0.1:65533 (10271)',
  },
  'go-proxyproto v2 IPv4 family with undefined transport 0x13': {
    bytes: v2(0x21, 0x13, [go4]),
    is: 'malformed family',
  },
  'go-proxyproto v2 version nibble 0x1 with valid PROXY command nibble': {
    bytes: Buffer.concat([signature, Buffer.of(0x11)]),
    is: 'malformed version',
  },
  'go-proxyproto v2 LOCAL TCPv4 with mismatching length': {
    bytes: v2(0x20, 0x11, [], 12),
    is: 'incomplete 28',
  },
  'go-proxyproto v2 unix stream with mismatching length': {
    bytes: v2(0x21, 0x31, [], 216),
    is: 'incomplete 232',
  },
  'go-proxyproto v2 TCPv4 with truncated TLV bytes': {
    bytes: v2(0x21, 0x11, [go4, zeros(3)], 20),
    is: 'incomplete 36',
  },
  'go-proxyproto v2 LOCAL TCPv4 short block truncated on the wire': {
    bytes: v2(0x20, 0x11, [Buffer.of(0xaa, 0xbb)], 5),
    is: 'incomplete 21',
  },
  'go-proxyproto v2 local': { bytes: v2(0x20, 0x11, [go4]), is: 'v2 local nobody (28)' },
  'go-proxyproto v2 local unspec': { bytes: v2(0x20, 0, []), is: 'v2 local nobody (16)' },
  'go-proxyproto v2 proxy TCPv4': {
    bytes: v2(0x21, 0x11, [go4]),
    is: 'v2 proxy 127.0.0.1:65533 > 127.0.0.1:65533 (28)',
  },
  'go-proxyproto v2 proxy UDPv4': {
    bytes: v2(0x21, 0x12, [go4]),
    is: 'v2 proxy 127.0.0.1:65533 > 127.0.0.1:65533 (28)',
  },
  'go-proxyproto v2 proxy unix stream with TLV': {
    bytes: v2(0x21, 0x31, [blockUnix, tlv(1, 'x')]),
    is: 'v2 proxy nobody (236)',
  },
  'go-proxyproto v2 proxy unix datagram': { bytes: v2(0x21, 0x32, [blockUnix]), is: 'v2 proxy nobody (232)' },
  'go-proxyproto v2 padded TCPv4': {
    bytes: v2(0x21, 0x11, [go4, zeros(72), Buffer.of(0x99, 0x97, 0x98)], 84),
    is: 'v2 proxy 127.0.0.1:65533 > 127.0.0.1:65533 (100)',
  },
  'go-proxyproto v2 padded TCPv6': {
    bytes: v2(0x21, 0x21, [block6, zeros(48)]),
    is: 'v2 proxy [2001:db8::1]:1234 > [2001:db8::2]:5678 (100)',
  },
  'go-proxyproto v2 padded unix stream, refused: four zeros are no TLV': {
    bytes: v2(0x21, 0x31, [blockUnix, zeros(4)]),
    is: 'malformed tlv',
  },
  'go-proxyproto TestParseV2LocalAddressBlock TCPv4 with address block and TLVs': {
    bytes: v2(0x20, 0x11, [go4, tlv(1, 'x')]),
    is: 'v2 local nobody (32)',
  },
  'go-proxyproto TestParseV2LocalAddressBlock TCPv4 with len 0': {
    bytes: v2(0x20, 0x11, []),
    is: 'v2 local nobody (16)',
  },
  'go-proxyproto TestParseV2LocalAddressBlock TCPv4 with short block': {
    bytes: v2(0x20, 0x11, [zeros(11)]),
    is: 'v2 local nobody (27)',
  },
  'go-proxyproto TestInvalidV2TLV One byte TLV': {
    bytes: v2(0x21, 0x11, [go4, Buffer.of(0xe1)]),
    is: 'malformed tlv',
  },
  'go-proxyproto TestInvalidV2TLV Two byte TLV': {
    bytes: v2(0x21, 0x11, [go4, Buffer.of(0xe2, 0)]),
    is: 'malformed tlv',
  },
  'go-proxyproto TestInvalidV2TLV Empty Len TLV': {
    bytes: v2(0x21, 0x11, [go4, Buffer.of(0xe3, 0, 1)]),
    is: 'malformed tlv',
  },
  'go-proxyproto TestInvalidV2TLV Partial Len TLV': {
    bytes: v2(0x21, 0x11, [go4, Buffer.of(0xe3, 0, 2, 0)]),
    is: 'malformed tlv',
  },
  'go-proxyproto TestValid0Length': {
    bytes: v2(0x21, 0x11, [go4, tlv(0xe0, '')]),
    is: 'v2 proxy 127.0.0.1:65533 > 127.0.0.1:65533 (31)',
  },
  'go-proxyproto TestSSLRejectsMalformedTLVs short SSL value': {
    bytes: v2(0x21, 0x11, [go4, tlv(0x20, zeros(4))]),
    is: 'malformed ssl',
  },
  'go-proxyproto TestSSLRejectsMalformedTLVs truncated sub TLV': {
    bytes: v2(0x21, 0x11, [go4, tlv(0x20, Buffer.of(1, 0, 0, 0, 0, 0x21, 0, 7, 0x54))]),
    is: 'malformed ssl',
  },
  'go-proxyproto TestSSLRejectsMalformedTLVs missing required version, taken: its receiver judges what SSL says':
    {
      bytes: v2(0x21, 0x11, [go4, tlv(0x20, Buffer.of(1, 0, 0, 0, 0))]),
      is: 'v2 proxy 127.0.0.1:65533 > 127.0.0.1:65533 (36)',
    },

  // nginx
  'nginx stream_realip server': {
    bytes: v1('TCP4 192.0.2.1 192.0.2.2 1234 5678'),
    is: 'v1 proxy 192.0.2.1:1234 > 192.0.2.2:5678 (42)',
  },
  'nginx stream_realip server payload': {
    bytes: line('PROXY TCP4 192.0.2.1 192.0.2.2 1234 5678\r\nclose'),
    is: 'v1 proxy 192.0.2.1:1234 > 192.0.2.2:5678 (42)',
  },
  'nginx stream_realip server unknown': {
    bytes: v1('UNKNOWN TCP4 192.0.2.1 192.0.2.2 1234 5678'),
    is: 'v1 local nobody (50)',
  },
  'nginx proxy_protocol tcp6': {
    bytes: v1('TCP6 2001:Db8::1 2001:Db8::2 123 5678'),
    is: 'v1 proxy [2001:db8::1]:123 > [2001:db8::2]:5678 (45)',
  },
  'nginx proxy_protocol unknown 2': { bytes: v1('UNKNOWN 1 2 3 4 5 6'), is: 'v1 local nobody (27)' },
  'nginx proxy_protocol2 tlv': {
    bytes: v2(0x21, 0x11, [block4, zeros(9)]),
    is: 'v2 proxy 192.0.2.1:1234 > 192.0.2.2:5678 (37)',
  },
  'nginx proxy_protocol2 unknown 1': { bytes: v2(0x21, 0x01, []), is: 'v2 proxy nobody (16)' },
  'nginx proxy_protocol2 unknown 2, refused: family 4 is unassigned': {
    bytes: v2(0x21, 0x41, [Buffer.of(1, 2, 3, 4)]),
    is: 'malformed family',
  },
  'nginx stream_proxy_protocol2_tlv, refused: its checksum is the text 4321': {
    bytes: v2(0x21, 0x11, [block4, tlv(1, 'ALPN1'), tlv(2, 'localhost'), tlv(3, '4321'), tlv(5, 'UNIQQ')]),
    is: 'malformed checksum',
  },
  'nginx stream_proxy_protocol2_tlv, the others': {
    bytes: v2(0x21, 0x11, [
      block4,
      tlv(1, 'ALPN1'),
      tlv(2, 'localhost'),
      tlv(5, 'UNIQQ'),
      tlv(
        0x20,
        Buffer.concat([
          Buffer.of(1, 0, 0, 0, 255),
          tlv(0x21, 'TLSv1.2'),
          tlv(0x22, 'example.com'),
          tlv(0x25, 'RSA512'),
        ]),
      ),
      tlv(0x30, 'NETNS'),
      tlv(0xae, '12345'),
    ]),
    is: 'v2 proxy 192.0.2.1:1234 > 192.0.2.2:5678 (113)',
  },
}
for (const [name, { bytes, is }] of Object.entries(cases)) {
  test(`${name}: ${is}`, (t) => {
    t.is(told(readProxy(bytes)), is)
  })
}

test('go-proxyproto TestV2UndefinedTransportRejected: every family byte that is not defined is refused', (t) => {
  const taken = []
  for (let family = 0; family < 256; family++) {
    const read = readProxy(v2(0x21, family, [zeros(216)]))
    if (read.kind === 'found') taken.push(family)
    else t.is(told(read), 'malformed family')
  }
  t.deepEqual(taken, [0x00, 0x01, 0x02, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32])
})

test('go-proxyproto TestV2UndefinedTransportRejected, LOCAL is taken: its family is ignored, says the protocol', (t) => {
  for (let family = 0; family < 256; family++) {
    t.is(told(readProxy(v2(0x20, family, [zeros(216)]))), 'v2 local nobody (232)')
  }
})

test('go-proxyproto TestParsedHeaderNeverHasNilProxyAddr: whoever names an IP family names both ends', (t) => {
  for (const family of [0x11, 0x12, 0x21, 0x22]) {
    const read = readProxy(v2(0x21, family, [zeros(216)]))
    t.true(read.kind === 'found' && read.ends !== null)
  }
})
