import { join } from 'node:path'
import { as, checkout } from './image.ts'

/** Values of a systemd unit by section and key, `Service.Type`, in order: a key may be given several times. */
export function parseUnit(text: string): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>()
  let section = ''
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '' || line.startsWith('#')) continue
    const heading = /^\[(\w+)\]$/.exec(line)?.[1]
    const [, key, value = ''] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (heading !== undefined) section = heading
    else if (key === undefined) throw new Error(`not understood: ${line}`)
    else values.set(`${section}.${key}`, [...(values.get(`${section}.${key}`) ?? []), value])
  }
  return values
}

/**
 * What follows runs as the unit of a file would run it, as `uid:gid`: capabilities, system calls, address families; not its
 * mounts.
 */
export function limitedAs(
  user: string,
  file: string,
  unit: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const set = unit.get('Service.CapabilityBoundingSet')?.join(' | ') ?? ''
  const capability = set.toLowerCase().replace('cap_', '+')
  return [
    ...as(user),
    '--inh-caps',
    capability,
    '--ambient-caps',
    capability,
    '--bounding-set',
    `-all,${capability}`,
    '--no-new-privs',
    process.execPath,
    join(checkout, 'test/packaging/limited.ts'),
    file,
  ]
}
