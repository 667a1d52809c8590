import { readable } from './readable.ts'
import type { Sink } from './sink.ts'

/**
 * Handed to the sink at once: a quarter of a pipe, so that a slow reader costs few lines when one does not
 * fit.
 */
const batchChars = 16 * 1024

/**
 * Takes `count` whole lines, one for each connection that ended (core/access-line.ts), for the sink of the
 * program's log: two writers on one pipe need one sink, because a pipe that is nearly full takes half a line
 * from one of them and then a line from the other. Never blocks: the sink drops lines and counts them.
 */
export function writeAccess(sink: Sink, lines: string, count: number): void {
  if (sink.terminal) {
    const texts = lines.split(/(?<=\n)/).map((line) => readable(line, sink.colours))
    sink.write(texts.join(''), count)
  } else if (lines.length <= batchChars) sink.write(lines, count)
  else for (const part of parts(lines)) sink.write(part.text, part.count)
}

/** Whole lines, about `batchChars` at a time. */
function* parts(lines: string): Generator<{ readonly text: string; readonly count: number }> {
  let from = 0
  let count = 0
  for (let to = lines.indexOf('\n') + 1; to > 0; to = lines.indexOf('\n', to) + 1) {
    count++
    if (to - from < batchChars && to < lines.length) continue
    yield { text: lines.slice(from, to), count }
    from = to
    count = 0
  }
}
