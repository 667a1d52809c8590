import { formatCidr, isLoose } from '../core/cidr.ts'
import { type Unreachable, unreachable } from '../core/unreachable.ts'
import type { ListenerConfig } from './config.ts'
import { type Subject, shown, shownName } from './findings.ts'
import { type Finding, findingAt } from './issue.ts'
import { suggest } from './suggest.ts'
import { find, type Path, type Place, pathText } from './tree.ts'

/** Rules of who may connect and where by name, that look at more than one field. */
export function checkAdmission({ draft, tree, written }: Subject): Finding[] {
  return draft.listeners.flatMap(({ config, at }) => {
    const findings: Finding[] = []
    const here = find(written, at)
    // What could not be read has been reported, and so has what is misspelt.
    const keys = here.tree.kind === 'mapping' ? [...here.tree.entries.keys()] : []
    const isMeant = keys.some((key) => suggest(key, ['pool', 'routes']) !== undefined)
    if (config.pool === null && config.routes.length === 0 && !isMeant && here.path.length === at.length) {
      findings.push({ span: here.tree.span, message: `${pathText(at)} has no \`pool\``, hint: null })
    }
    for (const [i, { sni, alpn }] of config.routes.entries()) {
      const path = [...at, 'routes', i]
      const wasRead = (key: string) => find(written, [...path, key]).path.length < path.length + 1
      if (sni.length > 0 || alpn.length > 0 || !wasRead('sni') || !wasRead('alpn')) continue
      const message = `${pathText(path)} has neither \`sni\` nor \`alpn\``
      findings.push(
        findingAt(find(tree, path), message, 'what no route takes goes to `pool` of the listener'),
      )
    }
    return findings
  })
}

/** What is allowed and hardly meant. */
export function warnOfAdmission(subject: Subject): Finding[] {
  const { draft, tree } = subject
  return draft.listeners.flatMap(({ config, at }) => [
    ...wideHeaders(subject, config, at),
    ...looseRanges(subject, config, at),
    ...unreachable(config.routes).map((each) => unreachableFinding(subject, config, at, each)),
    ...withoutRoutes(config, find(tree, [...at, 'prefaceTimeout']), at),
  ])
}

/** Whoever can reach the port can then say who it is. */
function wideHeaders(
  { tree }: Subject,
  { acceptProxyProtocol: header }: ListenerConfig,
  at: Path,
): Finding[] {
  if (header === null) return []
  return header.from.flatMap(({ prefix }, i) => {
    if (prefix > 0) return []
    const path = [...at, 'acceptProxyProtocol', 'from', i]
    const message = `${pathText(path)} is everybody: whoever reaches the port chooses its own address`
    return [findingAt(find(tree, path), message, 'name the load balancers alone')]
  })
}

function looseRanges({ tree }: Subject, config: ListenerConfig, at: Path): Finding[] {
  const { acceptProxyProtocol: header, allow, deny } = config
  const lists = [
    { cidrs: header?.from ?? [], path: [...at, 'acceptProxyProtocol', 'from'] },
    { cidrs: allow?.kind === 'listed' ? allow.cidrs : [], path: [...at, 'allow'] },
    { cidrs: deny?.kind === 'listed' ? deny.cidrs : [], path: [...at, 'deny'] },
  ]
  return lists.flatMap(({ cidrs, path }) =>
    cidrs.flatMap((cidr, i) => {
      if (!isLoose(cidr)) return []
      const message = `${pathText([...path, i])} has bits behind its prefix`
      return [findingAt(find(tree, [...path, i]), message, `it is taken as ${formatCidr(cidr)}`)]
    }),
  )
}

function unreachableFinding(
  { draft, tree }: Subject,
  config: ListenerConfig,
  at: Path,
  { route, name, why }: Unreachable,
): Finding {
  const path = [...at, 'routes', route]
  const listener = draft.listeners.find((each) => each.config === config)
  const whose = listener === undefined ? '' : ` of listener \`${shownName(tree, listener)}\``
  const found =
    name === null ? find(tree, path) : nameAt(find(tree, [...path, 'sni']), tree, [...path, 'sni', name])
  const what = name === null ? `route ${route + 1}${whose}` : `\`${shown(found)}\`${whose}`
  switch (why.kind) {
    case 'address':
      return findingAt(found, `${what} is an address: no client sends one as its server name`, null)
    case 'taken': {
      const hint = why.by === route ? 'it is there twice' : `route ${why.by + 1} takes what would fit`
      return findingAt(found, `${what} is never reached`, hint)
    }
  }
}

/** A list of one may be written as its item. */
function nameAt(list: Place, tree: Subject['tree'], path: Path): Place {
  return list.tree.kind === 'scalar' ? list : find(tree, path)
}

function withoutRoutes({ routes }: ListenerConfig, found: Place, at: Path): Finding[] {
  if (routes.length > 0 || found.path.length < at.length + 1) return []
  const hint = 'it is the time for what routes look at'
  return [findingAt(found, `${pathText(found.path)} has no effect: there are no \`routes\``, hint)]
}
