import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { ConfigSource, Loaded } from './app.ts'
import { exitCode } from './command/exit-code.ts'
import type { renderProblem } from './config/problem.ts'
import type { Parsed } from './config/resolve.ts'
import { failureText } from './telemetry/journal.ts'

const usage = `spliceway: carries TCP connections from 80 and 443 to gateways that are alive

usage:
  spliceway run [-c FILE]                    run with a configuration file
  spliceway forward 80=127.0.0.1:9080 443=10.0.0.5:9443,10.0.0.6:9443
                                             run without one: PORT=ENDPOINT[,ENDPOINT...]
  spliceway check FILE                       say what is wrong with a configuration file
  spliceway doctor [-c FILE] [--json] [--probe] [--socket PATH]
                                             say what is wrong on this node, and what then works; --probe: speak
                                             to gateways as well
  spliceway demo                             two gateways and a forwarder on unprivileged ports
  spliceway version
against a running process [--socket PATH]:
  spliceway status [--json]                  listeners, endpoints, workers
  spliceway ready                            exit code 0 when it serves
  spliceway live                             exit code 0 while its main loop and every worker show signs of life
  spliceway reload                           read the configuration file again
  spliceway drain                            stop gracefully
  spliceway endpoint POOL ENDPOINT drain|ready
                                             take an endpoint out of use for new connections, and back
exit codes: 0 done, 1 failure, 2 wrong usage, 75 port taken, 78 bad configuration or wrong Node
`

/** Runs the program with the arguments after its name. The only place that exits. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    const code = await dispatch(args)
    if (args[0] === 'run' || args[0] === 'forward') await exitAtOnce(code)
    process.exit(code)
  } catch (error) {
    complain(`spliceway: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exit(exitCode.failure)
  }
}

/**
 * process.exit() joins the threads of libuv's pool, and one of them may wait for a resolver that does not
 * answer: 8 s with two tries of 4 s. Without koffi it has to.
 */
async function exitAtOnce(code: number): Promise<void> {
  const { loadLibc } = await import('./linux/libc.ts')
  const loaded = loadLibc()
  if (loaded.kind === 'loaded') loaded.libc.exitAtOnce(code)
}

async function dispatch([command = 'demo', ...rest]: readonly string[]): Promise<number> {
  switch (command) {
    case 'run':
      return runFile(rest)
    case 'forward':
      return forward(rest)
    case 'check':
      return check(rest)
    case 'doctor':
      return doctor(rest)
    case 'demo':
      return (await import('./demo/demo.ts')).demo(rest)
    case 'version':
    case '--version':
    case '-v': {
      const { version } = await import('./version.ts')
      process.stdout.write(`spliceway ${version()} (Node ${process.version})\n`)
      return exitCode.ok
    }
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(usage)
      return exitCode.ok
    case 'live':
    case 'ready':
    case 'status':
    case 'reload':
    case 'drain':
    case 'endpoint':
      return askRunning(command, rest)
    default:
      return wrong(`unknown command \`${command}\``)
  }
}

async function runFile(args: readonly string[]): Promise<number> {
  const parsed = options(args, { config: { type: 'string', short: 'c' } })
  if (typeof parsed === 'string') return wrong(parsed)
  if (parsed.positionals.length > 0) return wrong(`run takes no \`${parsed.positionals[0]}\`: run -c FILE`)
  const file = text(parsed.values.config) ?? defaultFile()
  const { load, text: current } = await loader(file, '\n = name another with -c FILE')
  const loaded = load()
  if (loaded.kind === 'invalid') return refuse(loaded.message)
  entitle(`run ${resolve(file)}`)
  const { run } = await import('./command/run.ts')
  return run({ loaded, source: { name: file, load }, file: { path: file, text: current } })
}

async function forward(args: readonly string[]): Promise<number> {
  if (args.length === 0)
    return wrong('forward needs at least one PORT=ENDPOINT, for example 80=127.0.0.1:9080')
  const none = args.find((arg) => !arg.includes('=') && !arg.startsWith('-'))
  if (none !== undefined)
    return wrong(`\`${none}\` is no forward: PORT=ENDPOINT, for example 80=127.0.0.1:9080`)
  if (args.some((arg) => arg.startsWith('-'))) return wrong('forward takes only PORT=ENDPOINT[,ENDPOINT...]')
  const [{ parseForwards }, { renderProblem }, { run }] = await Promise.all([
    import('./config/forward.ts'),
    import('./config/problem.ts'),
    import('./command/run.ts'),
  ])
  const loaded = rendered(parseForwards(args), renderProblem)
  if (loaded.kind === 'invalid') return refuse(loaded.message)
  entitle(`forward ${args.join(' ')}`)
  const source: ConfigSource = { name: 'command line', load: null }
  return run({ loaded, source, file: null })
}

/**
 * What `ps` shows: which spliceway this is. As much of it as the words that started it had room for. The short name, by
 * which pgrep, ss and the doctor know the process, stays what cli.mjs made it; it is written by the path that the kernel
 * opens to a process with a file capability too.
 */
function entitle(words: string): void {
  const short = process.title
  process.title = `${short} ${words}`
  try {
    writeFileSync(`/proc/self/task/${process.pid}/comm`, short)
  } catch {
    // No /proc, or one of another namespace: the short name is the beginning of the long one.
  }
}

async function check(args: readonly string[]): Promise<number> {
  const [file, ...others] = args
  if (file === undefined || others.length > 0 || file.startsWith('-'))
    return wrong('check takes one file: check FILE')
  const loaded = (await loader(file)).load()
  if (loaded.kind === 'invalid') return refuse(loaded.message)
  const { listeners, pools } = loaded.config
  const counts = `${listeners.length} listener${listeners.length === 1 ? '' : 's'}, ${pools.length} pool${pools.length === 1 ? '' : 's'}`
  for (const warning of loaded.warnings) process.stderr.write(`${warning}\n`)
  process.stdout.write(`${file} is valid: ${counts}\n`)
  return exitCode.ok
}

async function doctor(args: readonly string[]): Promise<number> {
  const parsed = options(args, {
    config: { type: 'string', short: 'c' },
    socket: { type: 'string' },
    json: { type: 'boolean' },
    probe: { type: 'boolean' },
  })
  if (typeof parsed === 'string') return wrong(parsed)
  if (parsed.positionals.length > 0)
    return wrong(`doctor takes no \`${parsed.positionals[0]}\`: doctor -c FILE`)
  const { config, socket, json, probe } = parsed.values
  const named = text(config)
  const name = named ?? defaultFile()
  const loaded = named === undefined && !existsSync(name) ? null : (await loader(name)).load()
  if (loaded?.kind === 'invalid') return refuse(loaded.message)
  const file = loaded === null ? null : { name, config: loaded.config }
  const about = { file, socket: text(socket) ?? null, json: json === true, probe: probe === true }
  return (await import('./command/doctor.ts')).doctor({ ...about, out: process.stdout })
}

async function askRunning(
  command: 'live' | 'ready' | 'status' | 'reload' | 'drain' | 'endpoint',
  args: readonly string[],
): Promise<number> {
  const parsed = options(args, { socket: { type: 'string' }, json: { type: 'boolean' } })
  if (typeof parsed === 'string') return wrong(parsed)
  const { adminSocketPath, runningSocketPath } = await import('./admin/socket-path.ts')
  const own = adminSocketPath(process.env, process.getuid?.() ?? 0, tmpdir())
  const socket = text(parsed.values.socket) ?? runningSocketPath(own)
  const asked = { socket, out: process.stdout, err: process.stderr }
  if (command !== 'endpoint' && parsed.positionals.length > 0) {
    return wrong(`${command} takes no \`${parsed.positionals[0]}\``)
  }
  switch (command) {
    case 'live':
      return (await import('./command/ready.ts')).live(asked)
    case 'ready':
      return (await import('./command/ready.ts')).ready(asked)
    case 'status':
      return (await import('./command/status.ts')).status({ ...asked, json: parsed.values.json === true })
    case 'reload':
      return (await import('./command/reload.ts')).reload(asked)
    case 'drain':
      return (await import('./command/drain.ts')).drain(asked)
    case 'endpoint':
      return (await import('./command/endpoint.ts')).endpoint({ ...asked, args: parsed.positionals })
  }
}

/** $CONFIGURATION_DIRECTORY is systemd's ConfigurationDirectory=. */
function defaultFile(): string {
  return `${process.env.CONFIGURATION_DIRECTORY ?? '/etc/spliceway'}/spliceway.yaml`
}

/**
 * `load` reads and parses `file` at each call; `text` is what it read last. `hint`: what to do when it cannot
 * be read.
 */
async function loader(file: string, hint = ''): Promise<{ load: () => Loaded; text: () => string }> {
  const [{ parseConfig }, { renderProblem }] = await Promise.all([
    import('./config/parse.ts'),
    import('./config/problem.ts'),
  ])
  let text = ''
  const load = (): Loaded => {
    try {
      text = readFileSync(file, 'utf8')
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return { kind: 'invalid', message: `error: cannot read ${file}: ${reason}${hint}` }
    }
    return rendered(parseConfig(text, { file, env: process.env }), renderProblem)
  }
  return { load, text: () => text }
}

function rendered(parsed: Parsed, render: typeof renderProblem): Loaded {
  if (parsed.kind === 'ok') {
    const { config, warnings } = parsed
    return { kind: 'ok', config, warnings: warnings.map((warning) => render(warning, 'warning')) }
  }
  return { kind: 'invalid', message: parsed.problems.map((problem) => render(problem)).join('\n\n') }
}

type Flags = Record<string, { type: 'string'; short?: string } | { type: 'boolean' }>

/** The parsed arguments, or what is wrong with them. */
function options(args: readonly string[], flags: Flags) {
  try {
    return parseArgs({ args: [...args], options: flags, allowPositionals: true, strict: true })
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function wrong(message: string): number {
  complain(`spliceway: ${message}\n\n${usage}`)
  return exitCode.usage
}

function refuse(message: string): number {
  complain(`${message}\n`)
  return exitCode.config
}

function complain(text: string): void {
  process.stderr.write(failureText(text, process.env.JOURNAL_STREAM))
}
