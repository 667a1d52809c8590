import { parseArgs } from 'node:util'
import { didYouMean } from '../config/suggest.ts'
import { type Command, type CommandName, commandOf, commands, type Flag, flagsOf } from './commands.ts'

/** What was typed, as far as it makes sense. */
export type CommandLine =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'call'; readonly name: CommandName; readonly call: Call }
  /** `about`: the command that help is wanted for; null: all of them. */
  | { readonly kind: 'help'; readonly about: Command | null }
  /** `message`: what is wrong, and in further lines what to do. */
  | { readonly kind: 'wrong'; readonly message: string }

/** A command with its arguments and flags, which are those that it declares. */
export interface Call {
  readonly args: readonly string[]
  /** By the flag's name; of one that is given twice the last value. */
  readonly values: ReadonlyMap<string, string>
  /** Flags without a value that are given. */
  readonly switches: ReadonlySet<string>
}

/** Words that are no commands and mean one. */
const otherWords: Readonly<Record<string, CommandName>> = {
  '--version': 'version',
  '-v': 'version',
  '--help': 'help',
  '-h': 'help',
}

/** Reads the arguments after the program's name. Nothing is looked up and nothing is done. */
export function readCommandLine([first, ...rest]: readonly string[]): CommandLine {
  if (first === undefined) return { kind: 'nothing' }
  const command = commandOf(Object.hasOwn(otherWords, first) ? (otherWords[first] ?? first) : first)
  if (command === undefined) return unknownCommand(first)
  const read = readCall(command, rest)
  if (typeof read === 'string') return { kind: 'wrong', message: `${read}\n${seeHelpOf(command)}` }
  if (read.switches.has('help')) return { kind: 'help', about: command }
  if (command.name !== 'help') return { kind: 'call', name: command.name, call: read }
  const [word] = read.args
  if (word === undefined) return { kind: 'help', about: null }
  const about = commandOf(word)
  return about === undefined ? unknownCommand(word) : { kind: 'help', about }
}

function unknownCommand(word: string): CommandLine {
  const what = word.startsWith('-') && word !== '-' ? 'option' : 'command'
  const names = commands.map(({ name }) => name)
  const hint = what === 'command' ? didYouMean(word, names) : null
  const message = `unknown ${what} \`${word}\`${hint === null ? '' : `; ${hint}`}`
  return { kind: 'wrong', message: `${message}\n  "spliceway help" lists every command` }
}

function seeHelpOf({ name, args, flags }: Command): string {
  return `  usage: spliceway ${usageOf({ name, args, flags })}\n  "spliceway ${name} --help" says more`
}

/** `run [-c FILE]`. */
export function usageOf({ name, args, flags }: Pick<Command, 'name' | 'args' | 'flags'>): string {
  const optional = flags.map(
    (flag) => `[${flag.short === undefined ? `--${flag.name}` : `-${flag.short}`}${valueText(flag)}]`,
  )
  return [name, args, ...optional].filter((word) => word !== '').join(' ')
}

function valueText({ value }: Flag): string {
  return value === undefined ? '' : ` ${value}`
}

/** The call, or what is wrong with it. */
function readCall(command: Command, words: readonly string[]): Call | string {
  const flags = flagsOf(command)
  const options = Object.fromEntries(
    flags.map(({ name, short, value }) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), ...(short && { short }) },
    ]),
  )
  // Not strict: its messages are those of a programmer's library, and it knows of no similar words.
  const { tokens } = parseArgs({
    args: [...words],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const args: string[] = []
  const values = new Map<string, string>()
  const switches = new Set<string>()
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue
    if (token.kind === 'positional') {
      args.push(token.value)
      continue
    }
    const flag = flags.find(({ name }) => name === token.name)
    if (flag === undefined) return unknownFlag(command, token.rawName)
    const { rawName, value, inlineValue } = token
    if (flag.value === undefined) {
      if (value !== undefined) return `\`${rawName}\` takes no value`
      switches.add(flag.name)
    } else if (value === undefined || (!inlineValue && value.startsWith('-') && value !== '-')) {
      const next = value === undefined ? '' : `, and \`${value}\` is an option`
      return `\`${rawName}\` needs a value: ${rawName} ${flag.value}${next}`
    } else values.set(flag.name, value)
  }
  const [least, most] = command.takes
  if (switches.has('help')) return { args, values, switches }
  if (args.length > most) return `${command.name} takes no \`${args[most]}\``
  if (args.length < least) return `${command.name} needs ${command.args}`
  return { args, values, switches }
}

function unknownFlag(command: Command, rawName: string): string {
  const flags = flagsOf(command)
  const known = flags.flatMap(({ name, short }) => [
    `--${name}`,
    ...(short === undefined ? [] : [`-${short}`]),
  ])
  const hint = rawName.startsWith('--') ? didYouMean(rawName, known) : null
  const message = `unknown option \`${rawName}\` of ${command.name}`
  return hint === null ? message : `${message}; ${hint}`
}
