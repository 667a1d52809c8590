/** SGR of ECMA-48. */
const colours: Readonly<Record<string, string>> = { error: '31', warn: '33', debug: '2' }

/** A word in its level's colour; of `info`, and of levels nobody knows, as it is. */
export function coloured(word: string, level: string): string {
  const colour = Object.hasOwn(colours, level) ? colours[level] : undefined
  return colour === undefined ? word : `\x1b[${colour}m${word}\x1b[0m`
}

/** Whether a terminal is to get colours: https://no-color.org, and terminals that have none. */
export function wantsColours({ NO_COLOR: no = '', TERM: term }: NodeJS.ProcessEnv): boolean {
  return no === '' && term !== 'dumb'
}
