import { parseName } from './address-field.ts'
import { type Subject, shown, shownName } from './findings.ts'
import { parseForwardKey } from './forward-key.ts'
import { type Finding, findingAt } from './issue.ts'
import { maxProblems } from './problem.ts'
import { didYouMean } from './suggest.ts'
import { type Entry, find, type Path, type Tree } from './tree.ts'

/** Names that are malformed, used twice, or refer to nothing. */
export function checkNames(subject: Subject): Finding[] {
  return [...checkKeys(subject), ...checkTwice(subject), ...checkReferences(subject)]
}

function checkKeys({ written }: Subject): Finding[] {
  const findings: Finding[] = []
  for (const [key, entry] of entriesOf(written, 'pools')) {
    const parsed = parseName(key)
    if (parsed.kind === 'accepted') continue
    findings.push({
      span: entry.key,
      message: `\`${key}\` is not a valid name for a pool`,
      hint: parsed.hint,
    })
  }
  for (const [key, entry] of entriesOf(written, 'forward')) {
    const parsed = parseForwardKey(key)
    // A key without a value is a YAML slip that has been reported.
    if (parsed.kind === 'accepted' || (entry.value.kind === 'scalar' && entry.value.value === null)) continue
    findings.push({ span: entry.key, message: `forward key \`${key}\` ${parsed.message}`, hint: parsed.hint })
  }
  return findings
}

function checkTwice({ draft, tree }: Subject): Finding[] {
  const findings: Finding[] = []
  const listeners = new Set<string>()
  for (const listener of draft.listeners) {
    const { name } = listener.config
    if (listeners.has(name)) {
      const isForward = find(tree, listener.at).key !== null
      const found = find(tree, isForward ? listener.at : [...listener.at, 'name'])
      const message = `there are two listeners named \`${shownName(tree, listener)}\``
      findings.push(findingAt(found, message, 'rename one; a forward is named port-PORT'))
    }
    listeners.add(name)
  }
  const pools = new Set<string>()
  for (const { config, at } of draft.pools) {
    if (pools.has(config.name)) {
      const { key, tree: value } = find(tree, at)
      const message = `there are two pools named \`${config.name}\``
      findings.push({
        span: key ?? value.span,
        message,
        hint: 'rename this one; a forward makes a pool named port-PORT',
      })
    }
    pools.add(config.name)
  }
  return findings
}

function checkReferences({ draft, tree, written }: Subject): Finding[] {
  const known = poolNames(written)
  const some = [...known].slice(0, maxListed).join(', ')
  const more = known.size > maxListed ? ` and ${known.size - maxListed} more` : ''
  const otherwise = known.size === 0 ? 'there are no pools' : `known pools: ${some}${more}`
  // Beyond these nothing is shown, and looking for the word that was meant takes time.
  const hintFor = (name: string) =>
    (findings.length < maxProblems ? didYouMean(name, known) : null) ?? otherwise
  const findings: Finding[] = []
  const refer = (name: string, path: Path) => {
    if (known.has(name)) return
    const found = find(tree, path)
    findings.push(findingAt(found, `unknown pool \`${shown(found)}\``, hintFor(name)))
  }
  for (const { config, at } of draft.listeners) {
    if (config.pool !== null) refer(config.pool, [...at, 'pool'])
    for (const [i, { pool }] of config.routes.entries()) refer(pool, [...at, 'routes', i, 'pool'])
  }
  for (const [i, name] of draft.config.admin.readyRequires.entries())
    refer(name, ['admin', 'readyRequires', i])
  return findings
}

/** Of known pools, in a hint. */
const maxListed = 20

/** Of all pools, those with problems of their own too. */
function poolNames(written: Tree): ReadonlySet<string> {
  const forwards = [...entriesOf(written, 'forward').keys()].map(parseForwardKey)
  return new Set([
    ...entriesOf(written, 'pools').keys(),
    ...forwards.flatMap((parsed) => (parsed.kind === 'accepted' ? [parsed.value.name] : [])),
  ])
}

function entriesOf(written: Tree, key: string): ReadonlyMap<string, Entry> {
  const { tree, path } = find(written, [key])
  return path.length === 1 && tree.kind === 'mapping' ? tree.entries : new Map()
}
