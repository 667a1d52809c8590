import { type Cidr, formatCidr, isLoose, parseCidr } from '../core/cidr.ts'
import { compileRanges, type Ranges } from '../core/ranges.ts'
import type { Problem } from './problem.ts'

/** The ranges of a file, or what is wrong with it: the first problems, and how many there are besides. */
export type ParsedRanges =
  | {
      readonly kind: 'ok'
      readonly ranges: Ranges
      /** Lines that hold a range, before ranges are taken together. */
      readonly count: number
      /** The first ranges that are larger than they look (10.0.0.1/8): taken, and worth a warning. */
      readonly loose: readonly Problem[]
    }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }

/** Who mends this many looks again; a file that is no list at all has a problem in each line. */
const maxShown = 20
/** Five times the largest list in the tests; 16 MiB of IPv6. */
const maxRanges = 500_000

/**
 * Reads a list of addresses and ranges, one a line. `#` begins a comment, blank lines are nothing. Never
 * throws; takes 100,000 lines in a fraction of a second (bench/preface.ts).
 */
export function parseRangeList(text: string, file: string): ParsedRanges {
  const cidrs: Cidr[] = []
  const wrong = new Shown()
  const loose = new Shown()
  let line = 0
  for (let at = 0; at <= text.length; ) {
    line++
    const newline = text.indexOf('\n', at)
    const end = newline === -1 ? text.length : newline
    const written = text.slice(at, end)
    at = end + 1
    const entry = entryOf(written)
    if (entry === '') continue
    const parsed = parseCidr(entry)
    const place = {
      file,
      line,
      column: written.indexOf(entry) + 1,
      length: entry.length,
      sourceLine: written.trimEnd(),
    }
    if (parsed.kind === 'bad') {
      wrong.add({ ...place, message: `\`${entry}\` ${parsed.message}`, hint: parsed.hint })
    } else if (cidrs.push(parsed.cidr) > maxRanges) {
      wrong.add({ ...place, message: `there are more than ${maxRanges} ranges`, hint: null })
      break
    } else if (isLoose(parsed.cidr)) {
      const hint = `it is taken as ${formatCidr(parsed.cidr)}`
      loose.add({ ...place, message: `\`${entry}\` has bits behind its prefix`, hint })
    }
  }
  if (wrong.count > 0) return { kind: 'invalid', problems: wrong.problems(file) }
  return { kind: 'ok', ranges: compileRanges(cidrs), count: cidrs.length, loose: loose.problems(file) }
}

/** Without its comment, blanks, and the mark that some editors put ahead of the first line. */
function entryOf(written: string): string {
  const hash = written.indexOf('#')
  return (hash === -1 ? written : written.slice(0, hash)).replace('\ufeff', '').trim()
}

/** The first of many. */
class Shown {
  count = 0
  readonly #first: Problem[] = []

  add(problem: Problem): void {
    if (this.#first.length < maxShown) this.#first.push(problem)
    this.count++
  }

  problems(file: string): readonly Problem[] {
    const more = this.count - this.#first.length
    if (more === 0) return this.#first
    const rest = { line: null, column: null, length: 1, sourceLine: null, hint: null }
    return [...this.#first, { message: `and ${more} more`, file, ...rest }]
  }
}
