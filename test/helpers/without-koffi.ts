import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * The program as an installation without koffi has it: another libc, another CPU, --omit=optional. Returns its folder,
 * which whoever calls it removes.
 */
export function installationWithoutKoffi(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-'))
  chmodSync(folder, 0o755) // tests run it as other users too
  cpSync(join(root, 'src'), join(folder, 'src'), { recursive: true })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  mkdirSync(join(folder, 'node_modules'))
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (/^(koffi|@koromix|\.)/.test(name)) continue
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  }
  return folder
}
