import { type ApiStatus, readStatus } from './api-status.ts'
import type { EndpointSlice } from './endpoint-slice.ts'
import { Received, ShapeError } from './received.ts'
import { readSlice } from './slice-shape.ts'

/** One line of a watch. Every event but an error carries the version to go on from. */
export type WatchEvent =
  | { readonly kind: 'set'; readonly version: string; readonly slice: EndpointSlice }
  | { readonly kind: 'deleted'; readonly version: string; readonly name: string }
  /** Nothing has changed up to this version. Its object is an empty shell. */
  | { readonly kind: 'bookmark'; readonly version: string }
  /** The watch is over, and why: a 410 comes this way, inside an answer with status 200. */
  | { readonly kind: 'error'; readonly status: ApiStatus }

/** Throws ShapeError when the line is not an event. */
export function readEvent(line: string): WatchEvent {
  const event = parsed(line, 'event')
  const type = event.get('type').text()
  const object = event.get('object')
  const version = () => object.get('metadata').get('resourceVersion').text()
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      return { kind: 'set', version: version(), slice: readSlice(object) }
    case 'DELETED':
      return { kind: 'deleted', version: version(), name: object.get('metadata').get('name').text() }
    case 'BOOKMARK':
      return { kind: 'bookmark', version: version() }
    case 'ERROR':
      return { kind: 'error', status: readStatus(object) }
    default:
      throw new ShapeError('event.type: expected ADDED, MODIFIED, DELETED, BOOKMARK or ERROR')
  }
}

/** Throws ShapeError when the text is not JSON. */
export function parsed(text: string, name: string): Received {
  try {
    return new Received(JSON.parse(text), name)
  } catch {
    throw new ShapeError(`${name}: expected JSON, got ${text === '' ? 'nothing' : 'something else'}`)
  }
}
