import { execFileSync } from 'node:child_process'
import { onStage } from './on-stage.ts'
import { edgeAddress } from './stage.ts'
import { visit } from './traffic.ts'

const test = onStage(1)

const config = `listeners: [{ name: http, listen: "[::]:80", pool: web }]
pools: { web: { endpoints: [127.0.0.2:9080] } }
`

test('a REDIRECT rule that was left behind wins silently over a listener, as the page about it says', async (t, stage) => {
  const spliceway = await stage.spliceway(t, config)
  const rule = (how: '-A' | '-D'): void => {
    const words = [
      '-t',
      'nat',
      how,
      'PREROUTING',
      '-p',
      'tcp',
      '--dport',
      '80',
      '-j',
      'REDIRECT',
      '--to-ports',
      '9999',
    ]
    const [command, ...args] = stage.edge.command('iptables', ...words)
    execFileSync(command, args, { stdio: 'pipe' })
  }
  const accepted = async () => (await spliceway.status()).listeners[0]?.accepted
  rule('-A')
  t.regex(
    (await visit(edgeAddress.v4, 80)).error ?? '',
    /ECONNREFUSED/,
    'nobody listens where the rule leads',
  )
  t.is(await accepted(), 0)
  t.is((await spliceway.command('ready')).out, 'ready\n')
  rule('-D')
  t.is((await visit(edgeAddress.v4, 80)).error, null)
  t.is(await accepted(), 1)
})
