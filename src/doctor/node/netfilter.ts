import { type IptablesName, parseIptables } from './iptables.ts'
import { iptablesTables, parseNft } from './nft.ts'
import type { Chain } from './rules.ts'
import { textOf } from './text.ts'
import { askTool } from './tool.ts'

/** Says what could not be seen. */
export type Miss = (what: string) => void

/** All rules of this network namespace. Loads no module: nobody is asked who would. */
export async function readRules(miss: Miss): Promise<readonly Chain[]> {
  const chains: Chain[] = []
  if (!nfTablesAbsent()) {
    const [nft, v4, v6] = await Promise.all([
      askTool('nft', ['-j', 'list', 'ruleset']),
      saved('iptables-nft'),
      saved('ip6tables-nft'),
    ])
    const native = nft.kind === 'said' ? parseNft(nft.text) : []
    if (nft.kind === 'failed') miss(`rules of nftables: ${nft.why}`)
    const translated = [...v4, ...v6]
    // iptables-nft knows what `nft -j` does not say of its tables.
    const known = new Set(translated.map(({ family, table }) => `${family} ${table.split(' ')[1]}`))
    chains.push(...native.filter(({ table }) => !known.has(table)), ...translated)
    const opaque = native.filter(({ table }) => isIptables(table) && !known.has(table))
    if (opaque.length > 0 && nft.kind === 'said' && nft.text.includes('"xt"'))
      miss('what rules of iptables-nft test: iptables-nft-save is not installed, or it failed')
  }
  for (const [program, names] of [
    ['iptables-legacy', '/proc/net/ip_tables_names'],
    ['ip6tables-legacy', '/proc/net/ip6_tables_names'],
  ] as const) {
    chains.push(...(await readLegacy(program, names, miss)))
  }
  return chains
}

/**
 * A table is asked for only if it is there already: asking makes it, and loads its module. The file is
 * missing where ip_tables is not loaded, and root's where it is.
 */
async function readLegacy(program: IptablesName, names: string, miss: Miss): Promise<readonly Chain[]> {
  const text = textOf(names)
  const found: Chain[] = []
  if (text === null && process.getuid?.() !== 0) miss(`rules of ${program}: only root may read ${names}`)
  for (const table of (text ?? '').split('\n').filter((line) => iptablesTables.includes(line))) {
    const told = await askTool(`${program}-save`, ['-t', table])
    if (told.kind === 'said') found.push(...parseIptables(told.text, program))
    else miss(`rules of ${program}, table ${table}: ${told.why}`)
  }
  return found
}

/** Empty: there are none, or nobody can say. */
async function saved(program: IptablesName): Promise<readonly Chain[]> {
  const told = await askTool(`${program}-save`, [])
  return told.kind === 'said' ? parseIptables(told.text, program) : []
}

function isIptables(table: string): boolean {
  const [family, name = ''] = table.split(' ')
  return family !== 'inet' && iptablesTables.includes(name)
}

/** Whether it is sure that the kernel has no nf_tables yet: it is a module here, and it is not loaded. */
function nfTablesAbsent(): boolean {
  const loaded = textOf('/proc/modules')
  const release = textOf('/proc/sys/kernel/osrelease')?.trim() ?? ''
  const builtIn = textOf(`/lib/modules/${release}/modules.builtin`)
  if (loaded === null || builtIn === null) return false
  return !/^nf_tables /m.test(loaded) && !builtIn.includes('/nf_tables.ko')
}
