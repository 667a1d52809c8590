/**
 * The unit of a package, of the one for a checkout: its program is the package's, and its user stands in /etc/passwd, so that
 * the next process may take its sockets over. What DynamicUser= turns on, the unit says in words already.
 */
export function packagedUnit(text: string): string {
  const lines = text.split('\n')
  const settings = lines.slice(lines.indexOf('[Unit]')).map((line) => {
    if (line.startsWith('ExecStart=')) return 'ExecStart=/usr/bin/spliceway run'
    return line === 'DynamicUser=yes' ? 'User=spliceway\nGroup=spliceway' : line
  })
  const comment = "# SIGUSR1 would open Node's debugger to every local user."
  return settings.filter((line) => line !== comment).join('\n')
}

/** Without the lines that say how to install it from a checkout. */
export function packagedSocket(text: string): string {
  return text.replace(/#\n(# {3}.*\n)+/, '')
}
