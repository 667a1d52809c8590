import { nginxPorts } from '../helpers/nginx.ts'
import { onStage } from './on-stage.ts'
import { edgeAddress, type Stage } from './stage.ts'
import { errors, visits } from './traffic.ts'
import { Visitor } from './visitor.ts'

const test = onStage(3)

function config(stage: Stage): string {
  return `listeners:
  - { name: http, listen: "[::]:80", pool: web }
  - { name: spare, listen: "[::]:81", pool: web }
pools:
  web:
    endpoints: ${stage.endpoints(nginxPorts.http)}
    balance: round-robin
    health: { tcp: {}, interval: 200ms, timeout: 200ms, fall: 2, rise: 2 }
workers: 2
admin: { readyRequires: [web] }
`
}

test('ready, status, /livez and /readyz tell of a program that serves', async (t, stage) => {
  const spliceway = await stage.spliceway(t, config(stage))
  await spliceway.log(/is up/)
  t.like(await spliceway.command('ready'), { code: 0, out: 'ready\n', err: '' })
  t.deepEqual(await spliceway.page('/livez'), { status: 200, body: 'ok\n' })
  t.deepEqual(await spliceway.page('/readyz'), { status: 200, body: 'ok\n' })
  const said = await spliceway.command('status')
  t.is(said.code, 0)
  t.regex(said.out, new RegExp(`^\\S+ +serving +\\S+ +${spliceway.program.pid} +0/\\d+ `, 'm'))
  t.regex(said.out, /^http +\[::\]:80 +web +0 +0$/m)
  for (const { host } of stage.gateways) t.regex(said.out, new RegExp(`^web +${host}:9080 +up `, 'm'))
  t.regex(said.out, /^2 +alive /m)
  t.is((await spliceway.page('/status')).status, 200)
})

test('without a usable endpoint in a pool of readyRequires it is not ready, and says so', async (t, stage) => {
  t.teardown(() => Promise.all(stage.gateways.map((gateway) => gateway.start())))
  const spliceway = await stage.spliceway(t, config(stage))
  await Promise.all(stage.gateways.map((gateway) => gateway.kill()))
  await spliceway.log(/no endpoint up/)
  t.deepEqual(await spliceway.page('/readyz'), { status: 503, body: 'pool web has no usable endpoint\n' })
  t.like(await spliceway.command('ready'), { code: 1, err: 'not ready\npool web has no usable endpoint\n' })
  t.is((await spliceway.page('/livez')).status, 200)
})

test('the metrics count the connections and bytes that were really made', async (t, stage) => {
  const spliceway = await stage.spliceway(t, config(stage))
  const kept = await Visitor.connect(edgeAddress.v4, 80)
  t.teardown(() => kept.close())
  await kept.get('/')
  const made = await visits(60, 6, edgeAddress.v4, 80)
  t.deepEqual(errors(made), {})
  await spliceway.told(60)
  const during = await spliceway.metrics()
  t.is(during.get('spliceway_connections_accepted_total{listener="http"}'), 61)
  t.is(during.get('spliceway_connections_active{listener="http"}'), 1)
  t.is(during.get('spliceway_connections_accepted_total{listener="spare"}'), 0)
  t.is((await spliceway.status()).connections.active, 1)

  kept.close()
  const told = await spliceway.told(61)
  const sum = (key: 'bytesUp' | 'bytesDown') => told.reduce((total, outcome) => total + outcome[key], 0)
  const after = await spliceway.metrics()
  t.is(after.get('spliceway_connections_active{listener="http"}'), 0)
  t.is(after.get('spliceway_connections_closed_total{listener="http",cause="none",phase="data"}'), 61)
  t.is(after.get('spliceway_bytes_total{listener="http",direction="up"}'), sum('bytesUp'))
  t.is(after.get('spliceway_bytes_total{listener="http",direction="down"}'), sum('bytesDown'))
  t.is(after.get('spliceway_buffered_bytes'), 0)
  for (const { host, name } of stage.gateways) {
    const endpoint = `${host}:${nginxPorts.http}`
    const dialed = after.get(`spliceway_upstream_connect_attempts_total{pool="web",endpoint="${endpoint}"}`)
    t.is(dialed, told.filter((outcome) => outcome.endpoint === endpoint).length, endpoint)
    const answered = made.filter(({ node }) => node === name).length
    t.true(dialed === answered || dialed === answered + 1, 'one of them served the connection that was kept')
  }
})

test('spliceway endpoint ... drain takes an endpoint out of use for new connections, ready brings it back', async (t, stage) => {
  const spliceway = await stage.spliceway(t, config(stage))
  const [a] = stage.gateways
  const id = `${a?.host}:${nginxPorts.http}`
  const nodes = async () =>
    [...new Set((await visits(24, 4, edgeAddress.v4, 80)).map(({ node }) => node))].sort()
  t.deepEqual(await nodes(), ['a', 'b', 'c'])

  const mark = spliceway.mark
  const said = await spliceway.command('endpoint', 'web', id, 'drain')
  t.like(said, {
    code: 0,
    out: `endpoint ${id} of pool web is draining: it gets no new connections, and existing ones go on\n`,
    err: '',
  })
  t.is(
    await spliceway.log(/draining/, mark),
    `pool web: endpoint ${id} is draining: asked by the admin; 2 of 3 endpoints up`,
  )
  t.deepEqual(await nodes(), ['b', 'c'])
  t.regex((await spliceway.command('status')).out, new RegExp(`^web +${id} +draining `, 'm'))

  t.like(await spliceway.command('endpoint', 'web', id, 'ready'), { code: 0, err: '' })
  t.deepEqual(await nodes(), ['a', 'b', 'c'])
  t.like(await spliceway.command('endpoint', 'wab', id, 'ready'), {
    code: 1,
    err: 'no pool `wab`; there are: web\n',
  })
  t.is((await spliceway.command('endpoint', 'web', id, 'explode')).code, 2)
})
