import type { Block } from './block.ts'

/** struct epoll_event is packed on x86_64 and nowhere else. */
export const eventSize = process.arch === 'x64' ? 12 : 16
const eventDataAt = process.arch === 'x64' ? 4 : 8

/** How many events a Block holds. */
export function eventsIn(block: Block): number {
  return Math.floor(block.size / eventSize)
}

/** Bits of event `index`. */
export function eventBits(block: Block, index: number): number {
  return block.view.getUint32(index * eventSize, true)
}

export function eventLow(block: Block, index: number): number {
  return block.view.getUint32(index * eventSize + eventDataAt, true)
}

export function eventHigh(block: Block, index: number): number {
  return block.view.getUint32(index * eventSize + eventDataAt + 4, true)
}

/** Makes it the first event of a Block. */
export function putEvent(block: Block, bits: number, low: number, high: number): void {
  block.view.setUint32(0, bits, true)
  block.view.setUint32(eventDataAt, low, true)
  block.view.setUint32(eventDataAt + 4, high, true)
}
