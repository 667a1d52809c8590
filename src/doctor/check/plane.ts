import type { Facts } from '../facts.ts'
import type { Finding } from '../finding.ts'

/** Whether bytes move the fast way. */
export function plane({ plane: found, subject }: Facts): readonly Finding[] {
  if (found.kind === 'splice' || subject.plane === 'net') return []
  const asked = subject.plane === 'splice'
  return [
    {
      code: 'plane-missing',
      severity: asked ? 'blocks' : 'hurts',
      what: `the splice plane does not work here (${found.why})${asked ? ', and the configuration asks for it' : ': bytes go over node:net, which costs more CPU and knows less of a connection'}`,
      proof: ['spliceway', 'status'],
      remedy: {
        advice: 'install koffi (npm ci without --omit=optional), on Linux with glibc',
        commands: [],
        settings: asked ? [{ key: 'plane', value: 'auto' }] : [],
      },
    },
  ]
}
