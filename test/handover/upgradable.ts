import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { Backend, closedPort, echo } from '../helpers/peer.ts'
import { Program, run, type Said } from '../helpers/program.ts'

export const root = fileURLToPath(new URL('../../', import.meta.url))
let scenes = 0

/** An installation that the test may change: its own sources, and the packages of this checkout. */
export function installation(folder: string, version: string): string {
  mkdirSync(folder)
  for (const part of ['bin', 'src']) cpSync(join(root, part), join(folder, part), { recursive: true })
  const text = readFileSync(join(root, 'package.json'), 'utf8')
  writeFileSync(join(folder, 'package.json'), text.replace(/"version": "[^"]+"/, `"version": "${version}"`))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** What is otherwise in a configuration. */
export interface Change {
  /** More listeners, behind the first. */
  readonly listeners?: string
  readonly handover?: string
  readonly sessions?: 'move' | 'keep'
  /** The port of 127.0.0.1 where connections go instead of the backend. */
  readonly endpoint?: number
}

/** A program that serves, with a backend behind it, and a configuration that the test may change. */
export async function scene(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-upgrade-'))
  chmodSync(folder, 0o700)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const backend = await Backend.start({ onPeer: echo })
  t.teardown(() => backend.close())
  const port = await closedPort()
  const socket = join(folder, 'admin.sock')
  const file = join(folder, 'spliceway.yaml')
  const name = `spliceway-test-${process.pid}-upgrade-${++scenes}`
  const configure = (change: Change = {}): void => {
    const { listeners: more = '', sessions = 'keep', endpoint = backend.port } = change
    writeFileSync(
      file,
      `listeners: [{ name: main, listen: "127.0.0.1:${port}", pool: echo }${more}]
pools: { echo: { endpoints: ["127.0.0.1:${endpoint}"], health: off } }
workers: 1
handover: { socket: ${change.handover ?? `"@${name}"`}, secret: "${folder}/secret", sessions: ${sessions} }
drain: { notReadyDelay: 0s, window: 1s, deadline: 60s }
admin: { listen: off, socket: "${socket}" }
log: { access: none }
`,
    )
  }
  configure()
  const start = async (argv: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const program = await Program.start(argv, { env: { CACHE_DIRECTORY: folder, ...env } })
    t.teardown(() => program.kill())
    await program.line(/"msg":"admin socket open"/)
    return program
  }
  const upgrade = () => run([join(root, 'bin/spliceway'), 'upgrade', '--socket', socket])
  /** As an operator on a machine that is too busy for three seconds: once more. */
  const upgradePatiently = async (): Promise<Said> => {
    for (let tries = 1; ; tries++) {
      const said = await upgrade()
      if (tries === 3 || !/no sign of life/.test(said.err)) return said
      for (;;) {
        const { code } = await run([join(root, 'bin/spliceway'), 'ready', '--socket', socket])
        if (code === 0) break
      }
    }
  }
  const serving = async (): Promise<{ pid: number; version: string }> => {
    const said = await run([join(root, 'bin/spliceway'), 'status', '--json', '--socket', socket])
    return JSON.parse(said.out)
  }
  return { folder, port, file, configure, start, upgrade, upgradePatiently, serving }
}
