import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { connectBuckets, type HistogramCells } from '../../src/core/histogram.ts'
import { causes, dialFailures, limits, phases, rejections, staleWhens } from '../../src/core/outcome.ts'
import {
  add,
  closedCell,
  connectHistogram,
  durationHistogram,
  endpointCell,
  endpointField,
  failureCell,
  healthBit,
  heldCell,
  listenerCell,
  listenerField,
  maxEndpoints,
  maxListeners,
  observe,
  poolHistograms,
  rejectedCell,
  staleCell,
  Tally,
  workerCell,
} from '../../src/core/tally.ts'

function histogramCells({ at, bounds }: HistogramCells): number[] {
  return Array.from({ length: bounds.length + 2 }, (_, i) => at + i)
}

function listenerCells(slot: number): number[] {
  return [
    ...Object.values(listenerField).map((field) => listenerCell(slot) + field),
    ...limits.map((limit) => heldCell(slot, limit)),
    ...rejections.map((reason) => rejectedCell(slot, reason)),
    ...causes.flatMap((cause) => phases.map((phase) => closedCell(slot, cause, phase))),
  ]
}

function endpointCells(slot: number): number[] {
  return [
    ...Object.values(endpointField).map((field) => endpointCell(slot) + field),
    ...dialFailures.map((reason) => failureCell(slot, reason)),
    ...staleWhens.map((when) => staleCell(slot, when)),
    ...Object.values(poolHistograms).flatMap((each) =>
      histogramCells(each).map((cell) => cell + endpointCell(slot) - endpointCell(0)),
    ),
  ]
}

function allCells(): number[] {
  return [
    ...Object.values(workerCell),
    ...histogramCells(connectHistogram),
    ...histogramCells(durationHistogram),
    ...Array.from({ length: maxListeners }, (_, slot) => listenerCells(slot)).flat(),
    ...Array.from({ length: maxEndpoints }, (_, slot) => endpointCells(slot)).flat(),
  ]
}

const gauges = new Set([
  ...Object.values(workerCell),
  ...Array.from({ length: maxListeners }, (_, slot) => [
    listenerCell(slot) + listenerField.active,
    listenerCell(slot) + listenerField.heldByRate,
    ...limits.map((limit) => heldCell(slot, limit)),
  ]).flat(),
  ...Array.from({ length: maxEndpoints }, (_, slot) => [
    endpointCell(slot) + endpointField.active,
    endpointCell(slot) + endpointField.pending,
    endpointCell(slot) + endpointField.usualMs,
    endpointCell(slot) + endpointField.warm,
    endpointCell(slot) + endpointField.spent,
    endpointCell(slot) + endpointField.firstByteMs,
    endpointCell(slot) + endpointField.askedMs,
    endpointCell(slot) + endpointField.tookMs,
    endpointCell(slot) + endpointField.answeredMs,
    endpointCell(slot) + endpointField.overtaken,
    endpointCell(slot) + endpointField.overdue,
  ]).flat(),
])

test('no two numbers share a cell, and each has its place in a row', (t) => {
  const cells = allCells()
  t.is(new Set(cells).size, cells.length)
  const size = new Tally(1).row(1).length
  t.true(cells.every((cell) => Number.isInteger(cell) && cell >= 0 && cell < size))
})

test('a sum runs over main and all workers', (t) => {
  const tally = new Tally(3)
  for (const index of [0, 1, 2, 3])
    add(tally.row(index), listenerCell(7) + listenerField.accepted, 10 ** index)
  t.is(tally.sum(listenerCell(7) + listenerField.accepted), 1111)
  t.is(tally.sum(listenerCell(8) + listenerField.accepted), 0)
})

test('the rows do not overlap', (t) => {
  const tally = new Tally(2)
  for (const index of [0, 1, 2]) tally.row(index).fill(index + 1)
  for (const index of [0, 1, 2]) t.true(tally.row(index).every((value) => value === index + 1))
  t.is(tally.health(0), 0)
  t.is(tally.health(maxEndpoints - 1), 0)
})

test('a row that does not exist is an error that says how many there are', (t) => {
  const tally = new Tally(2)
  t.throws(() => tally.row(3), { instanceOf: RangeError, message: /no row 3: there are 2 workers/ })
})

test('the load of an endpoint is what is relayed and dialled, over all workers', (t) => {
  const tally = new Tally(2)
  add(tally.row(1), endpointCell(4) + endpointField.active, 3)
  add(tally.row(2), endpointCell(4) + endpointField.active, 5)
  add(tally.row(2), endpointCell(4) + endpointField.pending, 2)
  add(tally.row(2), endpointCell(4) + endpointField.attempts, 100)
  add(tally.row(2), endpointCell(5) + endpointField.active, 100)
  t.is(tally.load(4), 10)
})

test('what a worker thread writes is seen by main, and the other way round', async (t) => {
  const tally = new Tally(1)
  tally.setHealth(9, healthBit.down)
  const source = `
    import { workerData } from 'node:worker_threads'
    const { Tally, add } = await import(workerData.module)
    const tally = new Tally(1, workerData.buffer)
    add(tally.row(1), 0, 42)
    tally.setHealth(10, tally.health(9) | 4)`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: { buffer: tally.buffer, module: new URL('../../src/core/tally.ts', import.meta.url).href },
  })
  await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject))
  t.is(tally.sum(0), 42)
  t.is(tally.health(10), healthBit.down | healthBit.draining)
})

test('a dead worker leaves its counters to the base row and its gauges to nobody', (t) => {
  const tally = new Tally(2)
  const cells = allCells()
  for (const cell of cells) {
    tally.row(0)[cell] = 1000
    tally.row(1)[cell] = 1 + (cell % 7)
    tally.row(2)[cell] = 1
  }
  tally.retire(1)
  const wrong = cells.filter(
    (cell) =>
      tally.row(0)[cell] !== (gauges.has(cell) ? 1000 : 1001 + (cell % 7)) ||
      tally.row(1)[cell] !== 0 ||
      tally.row(2)[cell] !== 1,
  )
  t.deepEqual(wrong, [])
})

test('retiring the same worker twice counts nothing twice', (t) => {
  const tally = new Tally(1)
  const cell = closedCell(0, 'client', 'data')
  add(tally.row(1), cell, 3)
  tally.retire(1)
  tally.retire(1)
  t.is(tally.sum(cell), 3)
})

test('clearing an endpoint takes its numbers and its health, and nothing of its neighbours', (t) => {
  const tally = new Tally(1)
  fillAndClear(t, tally, endpointCells, () => tally.clearEndpoint(6))
  t.is(tally.health(6), 0)
  t.is(tally.health(5), 7)
})

test('clearing a listener takes its numbers and nothing of its neighbours', (t) => {
  const tally = new Tally(1)
  fillAndClear(t, tally, listenerCells, () => tally.clearListener(6))
})

function fillAndClear(
  t: ExecutionContext,
  tally: Tally,
  cellsOf: (slot: number) => number[],
  clear: () => void,
): void {
  for (const index of [0, 1]) tally.row(index).fill(1)
  for (const slot of [5, 6, 7]) tally.setHealth(slot, 7)
  clear()
  const own = new Set(cellsOf(6))
  for (const index of [0, 1]) {
    const wrong = [...tally.row(index).entries()].filter(([cell, value]) => value !== (own.has(cell) ? 0 : 1))
    t.deepEqual(wrong, [])
  }
}

test('an observation falls into the first bucket whose bound it does not exceed', (t) => {
  const { at, bounds } = connectHistogram
  for (const [i, bound] of connectBuckets.entries()) {
    const row = new Tally(1).row(1)
    observe(row, connectHistogram, bound)
    t.is(row[at + i], 1, `${bound} s`)
  }
  const row = new Tally(1).row(1)
  observe(row, connectHistogram, 0)
  observe(row, connectHistogram, 11)
  observe(row, connectHistogram, 600)
  t.is(row[at], 1)
  t.is(row[at + bounds.length], 2, '+Inf')
  t.is(row[at + bounds.length + 1], 611, 'the sum')
})

test('a dial without an answer makes its endpoint suspect, and one trial at a time may ask again', (t) => {
  const tally = new Tally(1)
  t.true(tally.suspect(3), 'the silent dial is the trial')
  t.is(tally.health(3), healthBit.suspect)
  t.false(tally.suspect(3))
  t.false(tally.beginTrial(3))
  tally.endTrial(3)
  t.is(tally.health(3), healthBit.suspect, 'a trial without an answer leaves the suspicion')
  t.true(tally.beginTrial(3))
  t.false(tally.beginTrial(3))
  tally.trust(3)
  t.is(tally.health(3), 0)
  t.false(tally.beginTrial(3), 'nobody asks an endpoint that answers')
  tally.endTrial(3)
  t.is(tally.health(3), 0, 'the end of a late trial suspects nobody')
})

test('a trial of a worker that died may be begun again by another', (t) => {
  const tally = new Tally(2)
  tally.suspect(3)
  tally.retire(1)
  t.true(tally.suspected(3))
  t.true(tally.beginTrial(3))
})

test('what main says of an endpoint and what workers suspect do not overwrite each other', (t) => {
  const tally = new Tally(1)
  tally.suspect(3)
  tally.setHealth(3, healthBit.down)
  t.is(tally.health(3), healthBit.down | healthBit.suspect)
  tally.trust(3)
  t.is(tally.health(3), healthBit.down)
})

test('a silent endpoint is not suspect: a dial that it answers says nothing about it, a byte does', (t) => {
  const tally = new Tally(1)
  tally.silence(3)
  t.is(tally.health(3), healthBit.silent)
  tally.trust(3)
  t.is(tally.health(3), healthBit.silent)
  t.true(tally.hear(3), 'somebody has ended a silence')
  t.is(tally.health(3), 0)
  t.false(tally.hear(3))
  tally.suspect(3)
  t.false(tally.hear(3))
  t.is(tally.health(3), healthBit.suspect)
})

test('one client of all workers asks a silent endpoint each time that main allows it', (t) => {
  const tally = new Tally(2)
  t.false(tally.takeAsking(3), 'nobody is silent')
  tally.letAsk(3)
  t.false(tally.takeAsking(3))
  tally.silence(3)
  t.false(tally.takeAsking(3))
  tally.letAsk(3)
  tally.letAsk(3)
  tally.silence(3)
  t.true(tally.takeAsking(3))
  t.false(tally.takeAsking(3))
  t.true(tally.silent(3), 'until it is heard')
})

test('the next endpoint in a slot is heard', (t) => {
  const tally = new Tally(1)
  tally.silence(3)
  tally.clearEndpoint(3)
  t.is(tally.health(3), 0)
})
