import { parentPort, workerData } from 'node:worker_threads'
import { socketAddress } from '../../src/core/address.ts'
import { type PerSourceLimit, PerSourceTable } from '../../src/core/per-source.ts'

/** What one worker of the flood does, and what it says at its end. */
export interface Flood {
  readonly buffer: SharedArrayBuffer
  readonly workers: number
  readonly seed: number
  readonly worker: number
  readonly limit: PerSourceLimit
  readonly sources: number
  readonly rounds: number
  /** Of a run of admissions, all but the last `kept` are released again. */
  readonly churn: boolean
  /** Cell 0: who is ready. Cell 1: begin. Cells behind: open connections, refusals below the limit. */
  readonly gate: Int32Array
}

export interface FloodResult {
  readonly counted: number
  readonly refused: number
  readonly untracked: number
  readonly most: number
}

if (parentPort !== null) {
  const flood: Flood = workerData
  const { gate, limit } = flood
  const table = new PerSourceTable(flood.worker, flood.workers, flood.seed, flood.buffer)
  Atomics.add(gate, 0, 1)
  Atomics.notify(gate, 0)
  Atomics.wait(gate, 1, 0)
  const result = { counted: 0, refused: 0, untracked: 0, most: 0 }
  for (let round = 0; round < flood.rounds; round++) {
    const client = socketAddress(`10.0.${(round % flood.sources) >> 8}.${(round % flood.sources) & 255}`, 1)
    if (client === undefined) throw new Error('not an address')
    const verdict = table.admit(1, limit, client, 0)
    if (verdict.kind === 'refused') result.refused++
    else if (verdict.kind === 'untracked') result.untracked++
    else {
      result.counted++
      if (flood.churn) {
        result.most = Math.max(result.most, table.open(verdict.entry))
        table.release(verdict.entry)
      }
    }
  }
  parentPort.postMessage(result satisfies FloodResult)
}
