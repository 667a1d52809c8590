import { BoundSocket } from 'node:net'

const held: BoundSocket[] = []

/**
 * A port of `host` that no other process is given, nor this one again, until this process ends: whoever listens there may
 * stop and come back. Where nobody listens connections are refused. Costs a descriptor.
 */
export function ownPort(host: string): number {
  const bound = new BoundSocket({ host }) // with SO_REUSEADDR, as every listener has it: those may bind beside it
  held.push(bound)
  return Number(bound.address().port)
}

/** Descriptors that ownPort() holds. */
export function ownedPorts(): number {
  return held.length
}
