import { writeFileSync } from 'node:fs'
import { socketAddress } from '../../src/core/address.ts'
import type { KeptRecord, LoadRecord, VisitRecord } from '../failover/record.ts'
import { answering } from '../harness/answering.ts'
import type { Answer, Question } from '../harness/children.ts'
import { Loop } from './loop.ts'
import { Visit, visitMemory } from './visit.ts'

// New connections at a steady rate, whatever becomes of the earlier ones, beside connections that stay. What became of
// each is written to a file: there are too many for a message.
const loop = new Loop()
/** A client that has no answer by then gives up. */
const patienceMs = 5_000
/** From one request on a connection that stays to the next. */
const pauseMs = 500
answering({}, run)

function run({ host, port, seconds, rate, kept, file }: Question): Answer {
  const target = socketAddress(String(host), Number(port))
  if (target === undefined) throw new Error(`${host}: not a literal address`)
  const memory = visitMemory(loop, String(host))
  const staying = Array.from({ length: Number(kept) }, () => new Visit(memory, target, false))
  const visits: Visit[] = []
  let oldest = 0
  const giveUp = (nowMs: number): void => {
    for (let visit = visits[oldest]; visit !== undefined; visit = visits[++oldest]) {
      if (visit.endedMs === null && nowMs - visit.openedMs < patienceMs) return
      visit.close()
    }
  }
  const startMs = performance.now()
  const endMs = startMs + Number(seconds) * 1000
  const gapMs = 1000 / Number(rate)
  let askMs = startMs + pauseMs
  for (let nowMs = startMs; nowMs < endMs; nowMs = performance.now()) {
    if (startMs + visits.length * gapMs <= nowMs) visits.push(new Visit(memory, target, true))
    if (nowMs >= askMs) {
      for (const each of staying) each.ask()
      askMs += pauseMs
    }
    giveUp(nowMs)
    loop.turn(startMs + visits.length * gapMs > nowMs ? 1 : 0)
  }
  while (oldest < visits.length) {
    loop.turn(10)
    giveUp(performance.now())
  }
  const record: LoadRecord = { visits: visits.map(visitRecord), kept: staying.map(keptRecord) }
  for (const each of staying) each.close()
  writeFileSync(String(file), JSON.stringify(record))
  return { count: visits.length }
}

function visitRecord({ openedMs, firstByteMs, answeredMs, endedMs, node }: Visit): VisitRecord {
  const openedAtMs = performance.timeOrigin + openedMs
  const firstMs = firstByteMs === null ? null : firstByteMs - openedMs
  const ms = (endedMs ?? performance.now()) - openedMs
  return { openedAtMs, firstMs, ms, node: answeredMs === null ? null : node }
}

function keptRecord({ endedMs, node }: Visit): KeptRecord {
  return { node, lostAtMs: endedMs === null ? null : performance.timeOrigin + endedMs }
}
