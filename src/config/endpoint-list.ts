import { z } from 'zod'
import { type SocketAddress, socketAddress } from '../core/address.ts'
import { maxEndpoints } from '../core/tally.ts'
import { listedEndpoint } from './endpoint-schema.ts'
import type { HostPort } from './host-port.ts'
import { explain, type Finding, findingAt } from './issue.ts'
import { parseTree } from './parse.ts'
import { firstOf, type Problem } from './problem.ts'
import { problemAt } from './source.ts'
import { find, plain, type Tree } from './tree.ts'

export interface ListedEndpoint {
  readonly address: SocketAddress
  readonly priority: number
  readonly weight: number
}

/** The endpoints in the order of the file, or everything that is wrong with it. */
export type ParsedList =
  | { readonly kind: 'ok'; readonly endpoints: readonly ListedEndpoint[] }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }

const list = z.array(listedEndpoint)

/**
 * Reads the file of a pool with `file`: a YAML or JSON list of endpoints as in the configuration, whose hosts
 * are addresses; `[]` is a list without endpoints. No variable is set: whoever writes the file knows the
 * values. Never throws.
 */
export function parseEndpointList(text: string, file: string): ParsedList {
  const { source, tree, problems } = parseTree(
    text,
    { file, env: {} },
    'write `[]` when there is no endpoint',
  )
  if (tree === null || problems.length > 0) return { kind: 'invalid', problems: firstOf(problems) }
  const invalid = (findings: readonly Finding[]): ParsedList => ({
    kind: 'invalid',
    problems: firstOf(findings.map(({ span, message, hint }) => problemAt(source, span, message, hint))),
  })
  if (tree.kind !== 'list') {
    const hint = 'write one `- 10.0.0.5:9443` a line, or `[]`'
    return invalid([{ span: tree.span, message: 'the file must be a list', hint }])
  }
  const result = list.safeParse(plain(tree))
  if (!result.success)
    return invalid(explain(tree, result.error.issues).flatMap(({ finding }) => finding ?? []))
  const findings = check(tree, result.data)
  if (findings.length > 0) return invalid(findings)
  const endpoints = result.data.flatMap(({ host, port, priority, weight }) => {
    const address = socketAddress(host, port)
    return address === undefined ? [] : [{ address, priority, weight }]
  })
  return { kind: 'ok', endpoints }
}

function check(tree: Tree, addresses: readonly HostPort[]): Finding[] {
  if (addresses.length > maxEndpoints) {
    return [findingAt(find(tree, [maxEndpoints]), `there are more than ${maxEndpoints} endpoints`, null)]
  }
  const seen = new Set<string>()
  return addresses.flatMap(({ host, port }, i) => {
    const found = find(tree, [i, 'address'])
    const key = `${host} ${port}`
    if (seen.has(key)) {
      const hint = 'give an endpoint a larger share with `weight`'
      return [findingAt(found, `endpoint [${i}] is in the list already`, hint)]
    }
    seen.add(key)
    if (socketAddress(host, port) !== undefined) return []
    return [
      findingAt(
        found,
        `endpoint [${i}] must have an IP address`,
        'for names there is `dns` in the configuration',
      ),
    ]
  })
}
