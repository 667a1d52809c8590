/**
 * npm-shrinkwrap.json of package-lock.json: an installation gets the very packages that the tests ran with, those of
 * dependencies' dependencies too, and npm checks each against its hash. Without packages of developers: npm would install
 * them, whatever their mark says.
 */
export function shrinkwrapOf(lock: string): string {
  const { packages, ...rest } = JSON.parse(lock)
  const kept = Object.entries<Record<string, unknown>>(packages).filter(([, entry]) => entry.dev !== true)
  return `${JSON.stringify({ ...rest, packages: Object.fromEntries(kept.map(withoutDevelopers)) }, null, 2)}\n`
}

function withoutDevelopers([path, entry]: [string, Record<string, unknown>]): [string, object] {
  const { devDependencies: _, ...others } = entry
  return [path, others]
}
