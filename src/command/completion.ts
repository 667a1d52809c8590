import { didYouMean } from '../config/suggest.ts'
import { type Command, commands, type Flag, flagsOf, type Offer, shells } from './commands.ts'

export type Completion =
  | { readonly kind: 'known'; readonly text: string }
  | { readonly kind: 'unknown'; readonly message: string }

/** The script that makes a shell complete what `spliceway` takes. */
export function completionOf(shell: string): Completion {
  switch (shell) {
    case 'bash':
      return { kind: 'known', text: bash() }
    case 'zsh':
      return { kind: 'known', text: zsh() }
    case 'fish':
      return { kind: 'known', text: fish() }
  }
  const hint = didYouMean(shell, shells)
  const message = `no completion for \`${shell}\`; ${hint ?? `there is one for ${shells.join(', ')}`}`
  return { kind: 'unknown', message }
}

/** `--config -c`. */
function dashed({ name, short }: Flag): readonly string[] {
  return short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`]
}

/** What is offered in the place of an argument: `help` knows its words only when all are known. */
function offerOf(command: Command): Offer {
  return command.name === 'help' ? commands.map(({ name }) => name) : command.offer
}

function bash(): string {
  const offered = (offer: Offer): string =>
    offer === 'file' ? '@file' : offer === 'nothing' ? '' : `'${offer.join(' ')}'`
  const values = commands.flatMap((command) =>
    flagsOf(command)
      .filter(({ value }) => value !== undefined)
      .map((flag) => {
        const words = dashed(flag).map((word) => `${command.name}:${word}`)
        return `    ${words.join('|')}) offer=${offered(flag.offer ?? 'nothing')} ;;`
      }),
  )
  const flags = commands.map(
    (command) => `        ${command.name}) offer='${flagsOf(command).flatMap(dashed).join(' ')}' ;;`,
  )
  const args = commands
    .filter((command) => offerOf(command) !== 'nothing')
    .map((command) => `        ${command.name}) offer=${offered(offerOf(command))} ;;`)
  return `# bash completion of spliceway; written by "spliceway completion bash"
_spliceway() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]} offer=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    offer='${commands.map(({ name }) => name).join(' ')}'
  else case $command:$prev in
${values.join('\n')}
    *) if [[ $cur == -* ]]; then case $command in
${flags.join('\n')}
      esac; else case $command in
${args.join('\n')}
      esac; fi ;;
  esac; fi
  if [[ $offer == @file ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -W "$offer" -- "$cur")
  fi
}
complete -F _spliceway spliceway
`
}

function zsh(): string {
  // A colon ends a part of an _arguments specification, and brackets end its description.
  const plain = (text: string): string => text.replace(/'/g, "'\\''").replace(/[:[\]]/g, '\\$&')
  const action = (offer: Offer): string =>
    offer === 'file' ? '_files' : offer === 'nothing' ? ' ' : `(${offer.join(' ')})`
  const spec = (flag: Flag): string => {
    const value = flag.value === undefined ? '' : `:${flag.value}:${action(flag.offer ?? 'nothing')}`
    const all = dashed(flag)
    const names = all.length === 1 ? `'${all[0]}` : `'(${all.join(' ')})'{${all.join(',')}}'`
    return `${names}[${plain(flag.about)}]${value}'`
  }
  const cases = commands.map((command) => {
    const offer = offerOf(command)
    const args = command.args === '' ? [] : [`'*:${plain(command.args)}:${action(offer)}'`]
    return `    ${command.name}) _arguments ${[...flagsOf(command).map(spec), ...args].join(' ')} ;;`
  })
  return `#compdef spliceway
# zsh completion of spliceway; written by "spliceway completion zsh"
_spliceway() {
  local -a names
  names=(
${commands.map(({ name, about }) => `    '${name}:${plain(about)}'`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command names
    return
  fi
  local name=$words[2]
  shift words
  (( CURRENT-- ))
  case $name in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _spliceway ]]; then _spliceway "$@"; else compdef _spliceway spliceway; fi
`
}

function fish(): string {
  const quoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`
  const action = (offer: Offer): string =>
    offer === 'file' ? ' -F' : offer === 'nothing' ? '' : ` -a ${quoted(offer.join(' '))}`
  const lines = commands.flatMap((command) => {
    const { name, about } = command
    const begin = `complete -c spliceway -n '__fish_seen_subcommand_from ${name}'`
    const flags = flagsOf(command).map((flag) => {
      const short = flag.short === undefined ? '' : ` -s ${flag.short}`
      const value = flag.value === undefined ? '' : ` -r${action(flag.offer ?? 'nothing')}`
      return `${begin}${short} -l ${flag.name}${value} -d ${quoted(flag.about)}`
    })
    const offer = offerOf(command)
    const args = offer === 'nothing' ? [] : [`${begin}${action(offer)}`]
    return [
      `complete -c spliceway -n __fish_use_subcommand -a ${name} -d ${quoted(about)}`,
      ...flags,
      ...args,
    ]
  })
  return `# fish completion of spliceway; written by "spliceway completion fish"
complete -c spliceway -f
${lines.join('\n')}
`
}
