import test from 'ava'
import { LoopGuard, selfForward } from '../../src/discovery/self-forward.ts'
import { poolConfig, RecordedLog, resolvedEndpoint } from '../control/fixture.ts'
import { configOf } from '../helpers/forwarder.ts'

function config(listen: string, port: number, endpoint: string) {
  const base = configOf({ plane: 'net', endpoints: [endpoint] })
  return { ...base, listeners: base.listeners.map((listener) => ({ ...listener, host: listen, port })) }
}
const host = ['127.0.0.1', '::1', '10.0.0.7', '2001:db8::7']

test('an endpoint that is this host on a port of a wildcard listener is named', (t) => {
  const text = selfForward(config('::', 80, '10.0.0.7:80'), host)
  t.regex(
    text ?? '',
    /^error: pool main: endpoint 10\.0\.0\.7:80 is an address of this host, where listener main \(\[::\]:80\)/,
  )
  t.not(selfForward(config('::', 80, '[2001:db8::7]:80'), host), null)
})

test('another port, another host, and a listener on another address are fine', (t) => {
  t.is(selfForward(config('::', 80, '10.0.0.7:9080'), host), null)
  t.is(selfForward(config('::', 80, '10.0.0.8:80'), host), null)
  t.is(selfForward(config('127.0.0.1', 80, '10.0.0.7:80'), host), null)
})

test('a listener on the very address of the endpoint is named though the host is not asked', (t) => {
  t.not(selfForward(config('10.0.0.7', 80, '10.0.0.7:80'), []), null)
})

test('an endpoint that was found while the program runs and is this very listener is left out, and said once', (t) => {
  const log = new RecordedLog()
  const guard = new LoopGuard(() => host, log)
  const { listeners } = config('::', 80, '10.0.0.8:80')
  const endpoints = [resolvedEndpoint('10.0.0.7', 80), resolvedEndpoint('10.0.0.8', 80)]
  const pool = { config: poolConfig({ name: 'main' }), endpoints, unresolved: [] }
  for (let i = 0; i < 2; i++) {
    t.deepEqual(
      guard.admit(pool, listeners).endpoints.map(({ id }) => String(id)),
      ['10.0.0.8:80'],
    )
  }
  t.deepEqual(log.take(), [
    'warn pool main: endpoint 10.0.0.7:80 is left out: it is an address of this host, where listener main accepts it, so every connection would come back for ever',
  ])
  const other = { ...pool, config: poolConfig({ name: 'other' }) }
  t.is(guard.admit(other, listeners), other, 'a pool that the listener does not lead to is no loop')
})
