import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { certificate, hasOpenssl } from '../helpers/certificate.ts'
import { NetworkNamespace, namespacesMissing } from '../helpers/netns.ts'
import { findNginx } from '../helpers/nginx.ts'
import { Program } from '../helpers/program.ts'
import { checkout } from '../packaging/image.ts'
import { type Place, usePage } from './page-in-use.ts'
import { cli } from './spliceway.ts'

// The Korean pages, word for word: what they say to type is typed, what they say it prints is compared. The gateways are nginx.

const nginx = findNginx()
const missing =
  namespacesMissing() ??
  (nginx === null ? 'nginx is not installed' : hasOpenssl ? null : 'openssl is missing')
const withNginx = missing === null ? test : test.skip
const why = missing === null ? '' : ` (skipped: ${missing})`

interface Gateway {
  readonly host: string
  /** As words of `listen`: `9443 ssl`. */
  readonly ports: readonly string[]
}

/** A node with gateways on addresses of its own, and a client; gone at the end of the test. */
async function place(t: ExecutionContext, purpose: string, gateways: readonly Gateway[]): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-korean-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const node = NetworkNamespace.create(`${purpose}-node`)
  t.teardown(() => node.remove())
  const client = NetworkNamespace.create(`${purpose}-client`)
  t.teardown(() => client.remove())
  node.connect(client, ['10.0.0.11/24', '10.0.0.12/24', '10.244.1.5/32'], ['10.0.0.100/24'])
  const running = new Map<string, Program>()
  const stop = async (host: string): Promise<void> => {
    await running.get(host)?.kill()
    running.delete(host)
  }
  for (const gateway of gateways) {
    running.set(gateway.host, await start(node, folder, gateway))
    t.teardown(() => stop(gateway.host))
  }
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  // As in the container, where `spliceway` is a command.
  writeFileSync(join(bin, 'spliceway'), `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`, {
    mode: 0o755,
  })
  return {
    node,
    client,
    folder,
    env: { RUNTIME_DIRECTORY: join(folder, 'run'), PATH: `${bin}:${process.env.PATH}:/usr/sbin:/sbin` },
    async event(words) {
      const [, host] = /^stop (\S+)$/.exec(words) ?? []
      if (host === undefined || !running.has(host)) throw new Error(`no such gateway: ${words}`)
      await stop(host)
    },
    translate: (text) => text,
  }
}

/** Answers `gateway ADDRESS` on each port. */
async function start(node: NetworkNamespace, folder: string, { host, ports }: Gateway): Promise<Program> {
  const own = join(folder, `nginx-${host}`)
  mkdirSync(own)
  const { key, cert } = certificate([host])
  writeFileSync(join(own, 'key.pem'), key)
  writeFileSync(join(own, 'cert.pem'), cert)
  const file = join(own, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${own}/${kind};`,
  )
  writeFileSync(
    file,
    `daemon off; user root; worker_processes 1; pid ${own}/pid; error_log stderr notice;
events { worker_connections 256; }
http {
  access_log off; ${temporary.join(' ')}
  server {
    ${ports.map((port) => `listen ${host}:${port};`).join(' ')}
    ssl_certificate ${own}/cert.pem; ssl_certificate_key ${own}/key.pem;
    location / { default_type text/plain; return 200 "gateway ${host}\\n"; }
  }
}
`,
  )
  const program = await Program.start(node.command(nginx ?? 'nginx', '-p', own, '-e', 'stderr', '-c', file))
  await program.line(/start worker process \d+/)
  return program
}

withNginx(
  `docs/ko/from-redirect.md, word for word: REDIRECT is replaced, and a gateway's stop stays unseen${why}`,
  async (t) => {
    t.timeout(120_000)
    const ports = ['9080', '9443 ssl']
    const there = await place(t, 'ko-redirect', [
      { host: '10.0.0.11', ports },
      { host: '10.0.0.12', ports },
    ])
    t.true((await usePage(t, 'docs/ko/from-redirect.md', there)) >= 10)
  },
)

withNginx(
  `docs/ko/hostport.md, word for word: 4317 and 4318 of the node lead to its collector${why}`,
  async (t) => {
    t.timeout(120_000)
    const there = await place(t, 'ko-hostport', [{ host: '10.244.1.5', ports: ['4317 http2', '4318'] }])
    t.true((await usePage(t, 'docs/ko/hostport.md', there)) >= 7)
  },
)

withNginx(`README.ko.md, word for word: the demo, a file, and without a file${why}`, async (t) => {
  t.timeout(120_000)
  const there = await place(t, 'ko-readme', [{ host: '127.0.0.1', ports: ['9080', '9443 ssl'] }])
  // A checkout: the files that npm reads, and the source. Files of the page are written beside them.
  for (const name of ['package.json', 'src', 'node_modules'])
    symlinkSync(join(checkout, name), join(there.folder, name))
  const translate: Place['translate'] = (text, running) => {
    // Packages are those that this test runs with: there need not be a network.
    if (text === 'npm ci\n') return existsSync(join(there.folder, 'node_modules')) ? 'true\n' : text
    const [, pid] = running?.lines.join('\n').match(/kill (\d+); curl/) ?? []
    return text.replace('kill 16313', `kill ${pid ?? '16313'}`).replace('127.0.0.1:45631', '…')
  }
  t.true((await usePage(t, 'README.ko.md', { ...there, translate })) >= 10)
})
