import { usageOf } from './command-line.ts'
import { type Command, commands, exitCodes, type Flag, flagsOf, programAbout } from './commands.ts'

const groups = [
  ['run', 'commands that run it, or look at a configuration:'],
  ['ask', 'commands for a running process (--socket PATH names which):'],
  ['other', 'further commands:'],
] as const satisfies readonly (readonly [Command['group'], string])[]

/** What a terminal shows in a line. */
const widest = 80

/** `spliceway` alone: what this is, and what to do next. */
export function introduction(version: string): string {
  return `spliceway ${version}: a TCP port forwarder and edge proxy
${programAbout}

try it, without root and without a file:
  spliceway demo                                two gateways and a forwarder
  spliceway forward 8080=127.0.0.1:9080         one port to one gateway
with a configuration file:
  spliceway check FILE                          say what is wrong with it
  spliceway run -c FILE                         run
when it runs:
  spliceway status                              what goes where, and what is up

"spliceway help" lists every command, "spliceway COMMAND --help" explains one.
`
}

/** Every command, a line or two each. */
export function overview(): string {
  const sections = groups.map(([group, heading]) => {
    const members = commands.filter((command) => command.group === group)
    return `${heading}\n${columns(members.map(({ name, args, about }) => [`${name} ${args}`.trim(), about]))}`
  })
  const codes = exitCodes.map(([code, about]) => [String(code), about] as const)
  return `spliceway: ${programAbout}\n\n${sections.join('\n')}
"spliceway COMMAND --help" says more of one, its options included.

exit codes:\n${columns(codes)}`
}

/** All about one command. */
export function helpOf(command: Command): string {
  const { about, more, examples } = command
  const text = [`${about[0]?.toUpperCase() ?? ''}${about.slice(1)}.`, ...more].map((each) =>
    wrapped(each, ''),
  )
  const shown = examples.map((example) => `  spliceway ${example}\n`).join('')
  const options = columns(flagsOf(command).map((flag) => [flagText(flag), flag.about]))
  return `${usageLines(usageOf(command))}\n${text.join('')}
${shown === '' ? '' : `for example:\n${shown}\n`}options:\n${options}`
}

/** What has no room in a line goes on in the next one; a flag is not torn from its value. */
function usageLines(usage: string): string {
  const lines = ['usage: spliceway']
  for (const part of usage.split(/ (?=\[|[^\]]*$)/)) {
    const line = `${lines.at(-1)} ${part}`
    if (line.length <= widest) lines[lines.length - 1] = line
    else lines.push(`${' '.repeat(15)} ${part}`)
  }
  return `${lines.join('\n')}\n`
}

/** `-c, --config FILE`. */
export function flagText({ name, short, value }: Flag): string {
  const long = value === undefined ? `--${name}` : `--${name} ${value}`
  return short === undefined ? `    ${long}` : `-${short}, ${long}`
}

/** Two columns; what is too wide for the first one has its second on the next line. */
function columns(rows: readonly (readonly [string, string])[]): string {
  const roomy = rows.map(([left]) => left.length).filter((length) => length <= 28)
  const width = Math.max(0, ...roomy) + 3
  const indent = ' '.repeat(width + 2)
  return rows
    .map(([left, right]) => {
      const text = wrapped(right, indent)
      return left.length + 3 > width ? `  ${left}\n${text}` : `  ${left.padEnd(width)}${text.trimStart()}`
    })
    .join('')
}

/** Lines that a terminal shows whole, newline included. */
function wrapped(text: string, indent: string): string {
  const lines: string[] = []
  let line = indent
  for (const word of text.split(' ')) {
    if (line.length > indent.length && line.length + 1 + word.length > widest) {
      lines.push(line)
      line = indent
    }
    line += line.length > indent.length ? ` ${word}` : word
  }
  return [...lines, line].map((each) => `${each}\n`).join('')
}
