import type { Facts } from '../facts.ts'
import { advice, type Finding } from '../finding.ts'

/** Whether spliceway itself is there. */
export function runs({ running, subject, owners }: Facts): readonly Finding[] {
  switch (running.kind) {
    case 'answers':
      return []
    case 'silent':
      return [
        {
          code: 'process-silent',
          severity: 'blocks',
          what: `the process at ${running.socket} gives no answer: it hangs, or is stopped`,
          proof: ['spliceway', 'live', '--socket', running.socket],
          remedy: advice(
            'its log may say why; `ps -o state` shows T when it was stopped. Start it again if it does not come back',
          ),
        },
      ]
    case 'nobody': {
      if (subject.source === null) return []
      const other = [...owners.values()].flat().find(({ spliceway }) => spliceway)
      const what =
        other === undefined
          ? 'no spliceway runs here, or its admin socket is elsewhere'
          : `a spliceway runs (pid ${other.pid}), and its admin socket is not where this command looks`
      return [
        {
          code: 'not-running',
          severity: 'note',
          what,
          proof: ['spliceway', 'ready'],
          remedy: advice(
            'start it, or name its socket with --socket: what a running process knows makes a better diagnosis',
          ),
        },
      ]
    }
  }
}
