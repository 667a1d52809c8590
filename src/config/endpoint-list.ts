import { z } from 'zod'
import { type SocketAddress, socketAddress } from '../core/address.ts'
import { maxEndpoints } from '../core/tally.ts'
import { explain, type Finding, findingAt } from './issue.ts'
import { parseTree } from './parse.ts'
import type { Problem } from './problem.ts'
import { listedEndpoint } from './schema.ts'
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
 * Reads the file of a pool with `file`: a YAML or JSON list of endpoints as in the configuration, whose hosts are
 * addresses; `[]` is a list without endpoints. Variables are not replaced: whoever writes it knows the values. Never throws.
 */
export function parseEndpointList(text: string, file: string): ParsedList {
  const parsed = parseTree(text, { file, env: {} }, 'write `[]` when there is no endpoint')
  const { source, tree } = parsed
  if (tree === null || parsed.problems.length > 0) return { kind: 'invalid', problems: parsed.problems }
  const problem = ({ span, message, hint }: Finding) => problemAt(source, span, message, hint)
  if (tree.kind !== 'list') {
    const hint = 'write one `- 10.0.0.5:9443` a line, or `[]`'
    return {
      kind: 'invalid',
      problems: [problem({ span: tree.span, message: 'the file must be a list', hint })],
    }
  }
  const result = list.safeParse(plain(tree))
  if (!result.success) {
    const findings = explain(tree, result.error.issues).flatMap(({ finding }) => finding ?? [])
    return { kind: 'invalid', problems: findings.map(problem) }
  }
  const endpoints = result.data.flatMap(({ address, priority, weight }) => {
    const literal = socketAddress(address.host, address.port)
    return literal === undefined ? [] : [{ address: literal, priority, weight }]
  })
  const findings = checkList(
    tree,
    result.data.map(({ address }) => address),
  )
  return findings.length === 0
    ? { kind: 'ok', endpoints }
    : { kind: 'invalid', problems: findings.map(problem) }
}

function checkList(tree: Tree, addresses: readonly { host: string; port: number }[]): Finding[] {
  if (addresses.length > maxEndpoints) {
    return [findingAt(find(tree, [maxEndpoints]), `there are more than ${maxEndpoints} endpoints`, null)]
  }
  const findings: Finding[] = []
  const seen = new Set<string>()
  for (const [i, { host, port }] of addresses.entries()) {
    const item = find(tree, [i])
    const found = item.tree.kind === 'mapping' ? find(tree, [i, 'address']) : item
    const key = `${host} ${port}`
    if (seen.has(key)) {
      const hint = 'give an endpoint a larger share with `weight`'
      findings.push(findingAt(found, `[${i}] is in the list already`, hint))
    } else if (socketAddress(host, port) === undefined) {
      const hint = 'names are for `endpoints` and `dns` in the configuration'
      findings.push(findingAt(found, `[${i}] must have an IP address`, hint))
    }
    seen.add(key)
  }
  return findings
}
