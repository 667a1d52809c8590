import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { CommandOptions } from './command/client.ts'
import { type Call, readCommandLine } from './command/command-line.ts'
import type { CommandName } from './command/commands.ts'
import { exitCode } from './command/exit-code.ts'
import { complainLoudly, refuseUsage } from './command/refuse.ts'

/** Runs the program with the arguments after its name. The only place that exits. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    const code = await dispatch(args)
    if (args[0] === 'run' || args[0] === 'forward') await exitAtOnce(code)
    process.exit(code)
  } catch (error) {
    complainLoudly(`spliceway: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exit(exitCode.failure)
  }
}

/**
 * process.exit() joins the threads of libuv's pool, and one of them may wait for a resolver that does not
 * answer: 8 s with two tries of 4 s. Without koffi it has to.
 */
async function exitAtOnce(code: number): Promise<void> {
  const { loadLibc } = await import('./linux/load-libc.ts')
  const loaded = loadLibc()
  if (loaded.kind === 'loaded') loaded.libc.exitAtOnce(code)
}

async function dispatch(args: readonly string[]): Promise<number> {
  const line = readCommandLine(args)
  switch (line.kind) {
    case 'wrong':
      return refuseUsage(line.message)
    case 'nothing':
      return isNpmStart(process.env) ? demo() : introduce()
    case 'help': {
      const { helpOf, overview } = await import('./command/help.ts')
      return say(line.about === null ? overview() : helpOf(line.about))
    }
    case 'call':
      return runners[line.name](line.call)
  }
}

/** What runs a command; its arguments and flags are in command/commands.ts. Resolves to the exit code. */
const runners: Readonly<Record<CommandName, (call: Call) => number | Promise<number>>> = {
  run: async ({ values }) => (await import('./command/begin.ts')).runFile(values.get('config')),
  forward: async ({ args }) => (await import('./command/begin.ts')).forward(args),
  check: async ({ args: [file = ''], switches }) =>
    (await import('./command/check.ts')).check(file, switches.has('explain')),
  doctor: async ({ values, switches }) => {
    const { doctor } = await import('./command/doctor.ts')
    const { defaultFile, loaderOf } = await import('./command/loader.ts')
    const named = values.get('config')
    const name = named ?? defaultFile()
    const loaded = named === undefined && !existsSync(name) ? null : loaderOf(name).load()
    if (loaded?.kind === 'invalid') {
      complainLoudly(`${loaded.message}\n`)
      return exitCode.config
    }
    return doctor({
      file: loaded === null ? null : { name, config: loaded.config },
      socket: values.get('socket') ?? null,
      json: switches.has('json'),
      probe: switches.has('probe'),
      out: process.stdout,
    })
  },
  demo,
  status: async (call) => {
    const { status } = await import('./command/status.ts')
    const output = call.values.get('output') ?? ''
    if (output !== '' && output !== 'wide') return refuseUsage(`no output \`${output}\`; there is: wide`)
    const { columns } = process.stdout
    return status({
      ...(await asked(call)),
      json: call.switches.has('json'),
      wide: output === 'wide',
      columns,
    })
  },
  top: async (call) => {
    const { top } = await import('./command/top.ts')
    const { stdin, stdout } = process
    const screen = stdin.isTTY && stdout.isTTY ? { input: stdin, output: stdout } : null
    return top({ ...(await asked(call)), screen, nowMs: () => performance.now() })
  },
  ready: async (call) => (await import('./command/ready.ts')).ready(await asked(call)),
  live: async (call) => (await import('./command/ready.ts')).live(await asked(call)),
  reload: async (call) => (await import('./command/reload.ts')).reload(await asked(call)),
  config: async (call) => {
    const { config } = await import('./command/config.ts')
    return config({ ...(await asked(call)), json: call.switches.has('json') })
  },
  log: async (call) => {
    const { logLevel } = await import('./command/log-level.ts')
    return logLevel(await asked(call), call.args[0] ?? '')
  },
  drain: async (call) => (await import('./command/drain.ts')).drain(await asked(call)),
  upgrade: async (call) => (await import('./command/upgrade.ts')).upgrade(await asked(call)),
  endpoint: async (call) => {
    const { endpoint } = await import('./command/endpoint.ts')
    return endpoint({ ...(await asked(call)), args: call.args })
  },
  connections: async (call) => {
    const { connections } = await import('./command/connections.ts')
    const names = ['listener', 'pool', 'endpoint', 'client', 'older', 'idle', 'top'] as const
    const filters = Object.fromEntries(names.map((name) => [name, call.values.get(name)]))
    return printed(await connections({ ...(await asked(call)), json: call.switches.has('json'), ...filters }))
  },
  explain: async (call) => {
    const { explain } = await import('./command/explain.ts')
    return explain({ ...(await asked(call)), json: call.switches.has('json'), id: call.args[0] ?? '' })
  },
  kill: async (call) => {
    const { kill } = await import('./command/kill.ts')
    return kill({ ...(await asked(call)), id: call.args[0] ?? '' })
  },
  completion: async ({ args: [shell = ''] }) => {
    const { completionOf } = await import('./command/completion.ts')
    const completion = completionOf(shell)
    return completion.kind === 'known' ? say(completion.text) : refuseUsage(completion.message)
  },
  version: async () => say(`spliceway ${await version()} (Node ${process.version})\n`),
  help: introduce,
}

/** Where a command against a running process finds it. */
async function asked({ values }: Call): Promise<CommandOptions> {
  const { adminSocketPath, runningSocketPath } = await import('./admin/socket-path.ts')
  const own = adminSocketPath(process.env, process.getuid?.() ?? 0, tmpdir())
  const socket = values.get('socket') ?? runningSocketPath(own)
  return { socket, out: process.stdout, err: process.stderr }
}

async function demo(): Promise<number> {
  return (await import('./demo/demo.ts')).demo()
}

async function introduce(): Promise<number> {
  return say((await import('./command/help.ts')).introduction(await version()))
}

async function version(): Promise<string> {
  return (await import('./version.ts')).version()
}

/** A listing is megabytes: what a pipe has not taken by process.exit() is lost. */
function printed(code: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  process.stdout.once('error', () => resolve(code)) // nobody reads the rest
  process.stdout.write('', () => resolve(code))
  return promise
}

function say(text: string): number {
  process.stdout.write(text)
  return exitCode.ok
}

/** In a checkout, `npm start` alone shows what this is by doing it. */
function isNpmStart({ npm_lifecycle_event: script, npm_package_name: name }: NodeJS.ProcessEnv): boolean {
  return script === 'start' && name === 'spliceway'
}
