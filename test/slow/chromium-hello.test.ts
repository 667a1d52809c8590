import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { findProgram } from '../helpers/find-program.ts'
import { recordHello } from '../helpers/recorded-hello.ts'

const chromium = findProgram('chromium')
const runs = chromium === null ? test.skip : test

runs(`the hello of Chromium${chromium === null ? ' (which is not installed)' : ''}`, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-chromium-'))
  const { hello, bytes } = await recordHello(t, (port) => {
    const child = spawn(
      chromium ?? '',
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--no-first-run',
        `--user-data-dir=${folder}`,
        // Nothing leaves this machine: the one name is ours, and no name server is asked for others.
        `--host-resolver-rules=MAP shop.example 127.0.0.1:${port},MAP * ~NOTFOUND`,
        '--no-proxy-server',
        '--dump-dom',
        'https://shop.example/',
      ],
      // A group of its own: Chromium is many processes.
      { stdio: 'ignore', detached: true },
    )
    child.on('error', (error) => t.fail(error.message))
    t.teardown(async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      if (child.exitCode === null && child.pid !== undefined) {
        process.kill(-child.pid, 'SIGKILL')
        await ended
      }
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
    })
  })
  t.deepEqual(hello, { kind: 'found', serverName: 'shop.example', alpn: ['h2', 'http/1.1'] })
  t.true(bytes.length > 1460, `${bytes.length} bytes: a post-quantum key share`)
})
