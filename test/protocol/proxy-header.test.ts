import test from 'ava'
import { probeHeader, proxyHeader } from '../../src/protocol/proxy-header.ts'
import { readProxy } from '../helpers/read-proxy.ts'
import { address } from './proxy-fixture.ts'

const source = address('192.0.2.1', 51234)
const destination = address('198.51.100.7', 443)

test('v1 names the client and has no place for the id', (t) => {
  const header = proxyHeader('v1', source, destination, 'c-17')
  const length = header.length
  t.deepEqual(readProxy(header), { kind: 'found', version: 1, source, destination, uniqueId: null, length })
})

test('v2 names the client and the id', (t) => {
  const header = proxyHeader('v2', source, destination, 'c-17')
  const length = header.length
  t.deepEqual(readProxy(header), { kind: 'found', version: 2, source, destination, uniqueId: 'c-17', length })
})

for (const [name, version] of [
  ['v1', 1],
  ['v2', 2],
] as const) {
  test(`a probe in ${name} is a valid header that names nobody`, (t) => {
    const header = probeHeader(name)
    const nobody = { source: null, destination: null, uniqueId: null }
    t.deepEqual(readProxy(header), { kind: 'found', version, ...nobody, length: header.length })
  })
}
