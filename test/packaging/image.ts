import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Instruction, parseCopy, parseDockerfile, type Stage, stageOf } from './dockerfile.ts'
import { keptBy } from './ignored.ts'

export const checkout = fileURLToPath(new URL('../../', import.meta.url))

/** The Dockerfile's stages, with this checkout as the build context. */
export const stages = parseDockerfile(readFileSync(join(checkout, 'Dockerfile'), 'utf8'))

/** What the build context holds: every file that .dockerignore leaves. */
export function contextFiles(): readonly string[] {
  const top = readdirSync(checkout).filter((name) => name !== '.git' && name !== 'node_modules')
  const files = top.flatMap((name) => filesBelow(name))
  return keptBy(readFileSync(join(checkout, '.dockerignore'), 'utf8'), files)
}

function filesBelow(path: string): string[] {
  const entries = (() => {
    try {
      return readdirSync(join(checkout, path))
    } catch {
      return null // not a folder
    }
  })()
  return entries === null ? [path] : entries.flatMap((name) => filesBelow(join(path, name)))
}

/**
 * Runs the steps of the Dockerfile without Docker, below a folder that stands for `/`: paths are moved there, and what
 * only the distribution does (apt-get, users) is left out. Stages share the folder. Needs root: the image belongs to root
 * and the program does not run as root. Whoever calls it removes the folder.
 */
export async function buildByHand(): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'spliceway-image-'))
  try {
    chmodSync(root, 0o755) // uid 64080 has to get in
    const context = join(root, 'context')
    for (const file of contextFiles()) cpSync(join(checkout, file), join(context, file))
    for (const folder of ['app', 'usr/local/bin', 'run']) mkdirSync(join(root, folder), { recursive: true })
    for (const name of ['modules', 'warm', null]) await runStage(root, context, stageOf(stages, name))
    execFileSync('chown', ['-R', '0:0', join(root, 'app')]) // COPY --chown=0:0
    rmSync(context, { recursive: true })
    return root
  } catch (error) {
    rmSync(root, { recursive: true, force: true })
    throw error
  }
}

/**
 * What a build would see: nothing of the npm script that runs the tests; the image's own commands first. Packages that
 * were installed on this machine before come from npm's cache.
 */
function cleanEnvironment(root: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_/.test(name))
  const env = Object.fromEntries(inherited)
  return { ...env, npm_config_prefer_offline: 'true', PATH: `${join(root, 'usr/local/bin')}:${env.PATH}` }
}

async function runStage(root: string, context: string, stage: Stage): Promise<void> {
  const env = cleanEnvironment(root)
  let user = '0:0'
  for (const instruction of stage.instructions) {
    switch (instruction.keyword) {
      case 'COPY':
        copy(root, context, instruction)
        break
      case 'ARG':
      case 'ENV':
        for (const [name, value] of environment(instruction, root)) env[name] = value
        break
      case 'USER':
        user = instruction.text
        break
      case 'RUN':
        await run(moved(withoutDistribution(instruction.text), root), {
          cwd: join(root, 'app'),
          env,
          user,
          network: stage.name === 'modules',
        })
        break
    }
  }
}

/** The assignments of an ENV instruction, paths moved below `root`. */
export function environment({ text }: Instruction, root: string): readonly (readonly [string, string])[] {
  return text.split(/\s+/).map((assignment) => {
    const [name = '', value = ''] = assignment.split('=')
    return [name, moved(value, root)]
  })
}

function copy(root: string, context: string, { text }: Instruction): void {
  const { from, sources, target } = parseCopy(text)
  for (const source of sources) {
    const origin = from === null ? join(context, source) : moved(source, root)
    const place = target.startsWith('/') ? moved(target, root) : join(root, 'app', target)
    const wanted = target.endsWith('/') ? join(place, source) : place
    if (origin === wanted) continue // stages share their folders
    mkdirSync(dirname(wanted), { recursive: true })
    cpSync(origin, wanted, { recursive: true, verbatimSymlinks: true })
  }
}

function withoutDistribution(command: string): string {
  return command
    .replace(/^(--\S+\s+)+/, '')
    .split(' && ')
    .filter((part) => !/^\s*(apt-get|groupadd|useradd|rm -rf \/var\/lib\/apt)\b/.test(part))
    .join(' && ')
}

/** Paths of the image below `root` instead. */
export function moved(text: string, root: string): string {
  return text.replace(/(?<![\w.-])\/(app|artifacts|usr\/local\/bin|run\/spliceway)\b/g, `${root}/$1`)
}

interface RunOptions {
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** `uid:gid` */
  readonly user: string
  /** false: only a loopback of its own, where every port is free. */
  readonly network: boolean
}

async function run(command: string, { cwd, env, user, network }: RunOptions): Promise<void> {
  if (command.trim() === '') return
  const words = [...as(user), 'sh', '-c', command]
  const [file = '', ...args] = network ? words : [...inOwnNetwork, ...words]
  await promisify(execFile)(file, args, { cwd, env })
}

/** Runs what follows in a network namespace of its own, which ends with it. */
export const inOwnNetwork = ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'] as const

/** Runs what follows as `uid:gid`. */
export function as(user: string): readonly string[] {
  const [uid = '', gid = ''] = user.split(':')
  return ['setpriv', '--reuid', uid, '--regid', gid, '--clear-groups']
}

/** Why this machine cannot run the image's steps; null when it can. */
export function whyNotByHand(): string | null {
  if (process.getuid?.() !== 0) return 'needs root: the image belongs to root and runs as another user'
  for (const [tool, ...args] of [
    ['setpriv', '--version'],
    ['setcap', '-h'],
    [...inOwnNetwork, 'true'],
  ]) {
    const { error, status } = spawnSync(tool ?? '', args)
    if (error !== undefined || status !== 0) return `needs ${tool}`
  }
  return null
}
