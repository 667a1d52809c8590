import type { Facts } from '../facts.ts'
import { advice, type Finding, setSysctl } from '../finding.ts'

/** Pages of 4 KiB: Linux' own default, 64 MiB. */
const usual = 16_384

/** What the pipes of one user may hold, which is what the splice plane moves bulk through. */
export function pipes({ kernel: { sysctls, uid }, plane, subject }: Facts): readonly Finding[] {
  const pages = Number(sysctls.get('fs.pipe-user-pages-soft') ?? usual)
  // 0 is no limit.
  if (pages === 0 || pages >= usual || plane.kind === 'net' || subject.plane === 'net') return []
  return [
    {
      code: 'pipes-few',
      severity: uid === 0 ? 'note' : 'hurts',
      what: `the pipes of a user may hold ${Math.floor(pages / 256)} MiB: bulk goes the slow way when they are full`,
      proof: ['sysctl', 'fs.pipe-user-pages-soft'],
      remedy: advice('give back what Linux has by default', setSysctl('fs.pipe-user-pages-soft', usual)),
    },
  ]
}
