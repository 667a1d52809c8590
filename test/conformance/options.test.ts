import test from 'ava'
import { parseOptions } from '../../conformance/options.ts'

const peersOf = (...args: string[]) => {
  const options = parseOptions(args)
  return typeof options === 'string' ? options : options.peers.map(({ name }) => name)
}

test('without a peer it is this program', (t) => {
  t.deepEqual(peersOf(), ['spliceway'])
})

test('several peers are run in the order in which they are named', (t) => {
  t.deepEqual(peersOf('--peer', 'nginx-best', '--peer', 'direct'), ['nginx-best', 'direct'])
})

test('a peer that nobody knows is named', (t) => {
  t.is(peersOf('--peer', 'relayd'), 'there is no peer `relayd`')
})

test('a command says where it listens and what it forwards to', (t) => {
  t.is(peersOf('--peer', 'command:proxy {listen}'), 'the command says nowhere `{connect}`')
  t.is(peersOf('--peer', 'command:proxy {connect}'), 'the command says nowhere `{listen}`')
})

test('a command gets its addresses, ports, and the second endpoint', (t) => {
  const options = parseOptions(['--peer', 'command:proxy {listen} {connect-port} {connect-2} {other}'])
  if (typeof options === 'string') return t.fail(options)
  const [peer] = options.peers
  t.is(peer?.mostEndpoints, 2)
  t.deepEqual(peer?.setup({ folder: '/tmp', port: 1, endpoints: [2, 3], revision: 0 }).command, [
    '/bin/sh',
    '-c',
    'exec proxy 127.0.0.1:1 2 127.0.0.1:3 {other}',
  ])
})

test('--only takes the beginning of a case’s name', (t) => {
  const options = parseOptions(['--only', 'rst-client', '--only', 'many'])
  if (typeof options === 'string') return t.fail(options)
  t.deepEqual(
    options.cases.map(({ id }) => id),
    ['many', 'rst-client'],
  )
  t.is(parseOptions(['--only', 'nonsense']), 'there is no case `nonsense`')
})

test('the document is written of those who are in it', (t) => {
  t.is(parseOptions(['--write', '--peer', 'spliceway-net']), 'spliceway-net is not in the document')
})
