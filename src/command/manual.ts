import { usageOf } from './command-line.ts'
import { commands, exitCodes, flagsOf, programAbout } from './commands.ts'

const signals = [
  [
    'SIGTERM',
    'drains: not ready at once, what is under way ends within the time of "drain" in the configuration',
  ],
  ['SIGINT', 'the same, and stops accepting at once'],
  ['a second one', 'ends at once: what is left is reset (in a Pod only SIGINT does)'],
  ['SIGHUP', 'loads the configuration again, whole or not at all'],
] as const

const files = [
  [
    '/etc/spliceway/spliceway.yaml',
    'the configuration, where no -c and no $CONFIGURATION_DIRECTORY names another',
  ],
  [
    '/run/spliceway/spliceway.sock',
    'the admin socket of a process that runs as root; $RUNTIME_DIRECTORY or $XDG_RUNTIME_DIR come before it',
  ],
] as const

/** When the commands last changed their shape: man(7) wants a date, and no build may differ by its own. */
const written = '2026-11-27'

/** The manual page, spliceway(8), in the macros of man(7). */
export function manual(version: string): string {
  const synopsis = commands.map((command) => `.B spliceway ${command.name}\n${roff(argsOf(command))}`)
  const sections = commands.map((command) => {
    const { about, more, examples } = command
    const options = flagsOf(command).map((flag) => {
      const names = [...(flag.short === undefined ? [] : [`-${flag.short}`]), `--${flag.name}`]
      const shown = names.map((name) => `\\fB${roff(name)}\\fR`).join(', ')
      return `.TP\n${shown}${flag.value === undefined ? '' : ` \\fI${roff(flag.value)}\\fR`}\n${roff(flag.about)}`
    })
    const shown = examples.map((example) => `.PP\n.nf\n.RS\n${roff(`spliceway ${example}`)}\n.RE\n.fi`)
    const paragraphs = [`${about[0]?.toUpperCase() ?? ''}${about.slice(1)}.`, ...more]
    const text = paragraphs.map((paragraph, i) => `${i === 0 ? '' : '.PP\n'}${roff(paragraph)}`)
    return [`.SS "spliceway ${roff(usageOf(command))}"`, ...text, ...shown, ...options].join('\n')
  })
  const table = (rows: readonly (readonly [string | number, string])[]) =>
    rows.map(([word, about]) => `.TP\n.B ${roff(String(word))}\n${roff(about)}`).join('\n')
  return `.\\" Made of src/command/commands.ts by "npm run man".
.TH SPLICEWAY 8 ${written} "spliceway ${roff(version)}" "System administration"
.SH NAME
spliceway \\- ${roff(programAbout)}
.SH SYNOPSIS
${synopsis.join('\n.br\n')}
.SH DESCRIPTION
${roff('A TCP port forwarder and edge proxy: it listens on this host and carries each connection to a gateway that is alive.')}
${roff('It runs in user space, and needs no firewall rule.')}
.SH COMMANDS
${sections.join('\n')}
.SH SIGNALS
${table(signals)}
.SH "EXIT STATUS"
${table(exitCodes)}
.SH FILES
${table(files)}
`
}

function argsOf(command: (typeof commands)[number]): string {
  const words = usageOf(command).slice(command.name.length).trim()
  return words === '' ? '\\&' : words
}

/** Text that says in roff what it says here: no line of it is a request, and a dash is a dash. */
function roff(text: string): string {
  return text
    .replace(/\\(?!&)/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/"/g, '\\(dq')
    .replace(/^[.']/, '\\&$&')
}
