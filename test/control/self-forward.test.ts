import test from 'ava'
import { selfForward } from '../../src/control/self-forward.ts'
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
