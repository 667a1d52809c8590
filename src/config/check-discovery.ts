import type { KubernetesPoolConfig } from './config.ts'
import type { PoolDraft } from './draft.ts'
import type { Subject } from './findings.ts'
import { type Finding, findingAt } from './issue.ts'
import { memberKeys } from './pool-schema.ts'
import { suggest } from './suggest.ts'
import { find, type Path, pathText } from './tree.ts'

/**
 * Pools that do not say where their endpoints are, or say it twice, and what the sources of endpoints need.
 */
export function checkDiscovery(subject: Subject): Finding[] {
  return subject.draft.pools.flatMap((pool) => [
    ...checkMembers(subject, pool),
    ...checkSource(subject, pool),
  ])
}

function checkMembers({ written }: Subject, { at }: PoolDraft): Finding[] {
  const { tree, path } = find(written, at)
  if (at[0] !== 'pools' || tree.kind !== 'mapping' || path.length < at.length) return []
  const given = memberKeys.flatMap((member) => {
    const entry = tree.entries.get(member)
    return entry === undefined ? [] : [{ member, span: entry.key }]
  })
  if (given.length === 0) {
    // A misspelt `endpoint` has been reported already.
    if ([...tree.entries.keys()].some((key) => suggest(key, memberKeys) !== undefined)) return []
    const [endpoints, ...others] = memberKeys
    const hint = `give it that, or one of ${others.map((member) => `\`${member}\``).join(', ')}`
    return [{ span: tree.span, message: `${pathText(at)} has no \`${endpoints}\``, hint }]
  }
  given.sort((a, b) => a.span.start - b.span.start)
  const [first, ...others] = given
  return others.map(({ member, span }) => ({
    span,
    message: `${pathText(at)} has \`${member}\` beside \`${first?.member}\``,
    hint: 'endpoints come from one place: keep one of them',
  }))
}

function checkSource(subject: Subject, { config, at }: PoolDraft): Finding[] {
  const { discovery } = config
  switch (discovery?.kind) {
    case 'dns':
      return [...checkPort(subject, [...at, 'dns']), ...checkFamily(subject, [...at, 'dns'])]
    case 'kubernetes':
      return checkLocality(subject, discovery, [...at, 'kubernetes'])
    case 'file':
    case undefined:
      return []
  }
}

/** An SRV record has a port, the others have none. */
function checkPort({ tree, written }: Subject, at: Path): Finding[] {
  const port = find(written, [...at, 'port'])
  const given = port.path.length > at.length
  const type = find(tree, [...at, 'type']).tree
  const srv = type.kind === 'scalar' && type.value === 'SRV'
  if (given && srv) {
    const message = `${pathText(port.path)} is given beside \`type: SRV\``
    return [findingAt(port, message, 'leave it out: the records have ports')]
  }
  if (given || srv) return []
  const { key, tree: dns } = find(tree, at)
  const hint = 'give the port that the endpoints listen on; only SRV records have one'
  return [{ span: key ?? dns.span, message: `${pathText(at)} has no \`port\``, hint }]
}

const familyOf: Readonly<Record<string, string>> = { A: 'ipv4', AAAA: 'ipv6' }

function checkFamily({ tree }: Subject, at: Path): Finding[] {
  const type = find(tree, [...at, 'type']).tree
  const found = find(tree, [...at, 'family'])
  const needed = type.kind === 'scalar' ? familyOf[String(type.value)] : undefined
  if (found.path.length === at.length || needed === undefined || found.tree.kind !== 'scalar') return []
  if (found.tree.value === needed || found.tree.value === 'any') return []
  const message = `${pathText(found.path)} does not fit \`type: ${needed === 'ipv4' ? 'A' : 'AAAA'}\``
  return [findingAt(found, message, 'leave one of them out')]
}

const needs = { any: null, 'prefer-node': 'node', 'node-only': 'node', 'prefer-zone': 'zone' } as const
const variables = { node: 'NODE_NAME', zone: 'ZONE' } as const

function checkLocality({ draft, tree, written }: Subject, pool: KubernetesPoolConfig, at: Path): Finding[] {
  const need = needs[pool.locality]
  if (need === null || draft.config.kubernetes[need] !== null) return []
  if (find(written, ['kubernetes', need]).path.length === 2) return [] // its own problem has been reported
  const found = find(tree, [...at, 'locality'])
  const message = `${pathText(found.path)} needs the name of this ${need}`
  const hint = `add \`kubernetes: { ${need}: "\${${variables[need]}}" }\` at the top level`
  return [findingAt(found, message, hint)]
}
