import { chmodSync, cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../helpers/program.ts'
import { checkout } from './image.ts'

/** What `npm pack` needs of a checkout, where it is there. */
const parts = [
  'bin',
  'config',
  'docs',
  'packaging',
  'src',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'SECURITY.md',
] as const

export interface Packed {
  /** Whoever packs removes it. */
  readonly folder: string
  readonly tarball: string
}

/**
 * `npm pack` in a copy of this checkout, with the tools of its node_modules: the emit is made in the folder, and files of
 * somebody who packs at the same time are not.
 */
export async function pack(): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-pack-'))
  try {
    chmodSync(folder, 0o755) // other users install from here
    for (const part of parts.filter((name) => existsSync(join(checkout, name))))
      cpSync(join(checkout, part), join(folder, part), { recursive: true })
    symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'))
    const said = await run(['env', '-C', folder, 'npm', 'pack', '--silent'], { env: npmEnvironment })
    const name = said.out.trim().split('\n').at(-1) ?? ''
    if (said.code !== 0 || !name.endsWith('.tgz')) throw new Error(`npm pack: ${said.out}${said.err}`)
    return { folder, tarball: join(folder, name) }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

/** npm's own words from the registry's side only: no notices, no funding, and its cache where it has one. */
export const npmEnvironment = {
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
  npm_config_prefer_offline: 'true',
} as const
