import { parseArgs } from 'node:util'
import type { Case } from './case.ts'
import { cases } from './cases.ts'
import type { Peer } from './peer.ts'
import { spliceway } from './peers/spliceway.ts'
import { peerNamed, peerNames, published } from './peers.ts'

export interface Options {
  readonly peers: readonly Peer[]
  readonly cases: readonly Case[]
  readonly json: boolean
  readonly task: 'run' | 'list' | 'write' | 'draw'
}

export const usage = `usage: npm run conformance -- [--peer NAME]... [--only CASE]... [--json] [--list] [--write]
--peer NAME  ${peerNames.join(', ')}; spliceway when none is named
             command: any TCP proxy that stays in the foreground; {listen} and {connect} become 127.0.0.1:PORT,
             {listen-port} and {connect-port} the ports alone, {connect-2} a second endpoint
--only CASE  this one; or several: all whose name begins with it
--json       one object a case instead of the table
--list       the cases, and what each is about
--write      run everyone of the document twice, about 20 minutes, and write docs/conformance.md; with --peer or --only,
             what they name is run, and the rest stays as it is on record
--draw       write docs/conformance.md from what is on record: after a change of texts alone
`

/** The options, or what is wrong with the arguments. */
export function parseOptions(args: readonly string[]): Options | string {
  let values: ReturnType<typeof parse>
  try {
    values = parse(args)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  const peers: Peer[] = []
  for (const name of values.peer ?? []) {
    const peer = peerNamed(name)
    if (typeof peer === 'string') return peer
    peers.push(peer)
  }
  const only = values.only ?? []
  const write = values.write === true
  const stray = write ? peers.find((peer) => !published.includes(peer)) : undefined
  if (stray !== undefined) return `${stray.name} is not in the document`
  const stranger = only.find((prefix) => !cases.some(({ id }) => id.startsWith(prefix)))
  if (stranger !== undefined) return `there is no case \`${stranger}\``
  return {
    peers: peers.length > 0 ? peers : write ? published : [spliceway],
    cases: cases.filter(({ id }) => only.length === 0 || only.some((prefix) => id.startsWith(prefix))),
    json: values.json === true,
    task: values.list === true ? 'list' : values.draw === true ? 'draw' : write ? 'write' : 'run',
  }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      peer: { type: 'string', multiple: true },
      only: { type: 'string', multiple: true },
      json: { type: 'boolean' },
      list: { type: 'boolean' },
      write: { type: 'boolean' },
      draw: { type: 'boolean' },
    },
  }).values
}
