import test from 'ava'
import { History } from '../../src/admin/history.ts'
import { TcpListener } from '../../src/admin/listener.ts'
import { AdminServer } from '../../src/admin/server.ts'
import { exampleApp } from '../telemetry/example-app.ts'

/** A server on a host without IPv6. */
function withoutIpv6(code: string): AdminServer {
  const server = new AdminServer(exampleApp(), 'tcp', new History(), () => {})
  const listen = server.listen.bind(server)
  server.listen = (options: unknown, ...rest: unknown[]) => {
    if (typeof options === 'object' && options !== null && 'host' in options && options.host === '::') {
      process.nextTick(() => server.emit('error', Object.assign(new Error(code), { code })))
      return server
    }
    return Reflect.apply(listen, server, [options, ...rest])
  }
  return server
}

for (const code of ['EAFNOSUPPORT', 'EADDRNOTAVAIL']) {
  test(`the admin page on [::] is on 0.0.0.0 where there is no IPv6 (${code})`, async (t) => {
    const log = { info: () => {}, warn: () => t.fail(), error: () => t.fail() }
    const listener = new TcpListener(
      () => withoutIpv6(code),
      { host: '::', port: 0 },
      async () => undefined,
      log,
    )
    await listener.open()
    t.regex(listener.address() ?? '', /^0\.0\.0\.0:\d+$/)
    await listener.close()
  })
}
