import type { Listening, ListenSpec, Plane, Wire } from '../plane/plane.ts'

/** Accepts from several sockets of one address as from one. */
export function listenAll<W extends Wire>(
  plane: Plane<W>,
  specs: readonly ListenSpec[],
  accept: (downstream: W) => void,
  refused: () => void,
): Listening {
  const listenings = specs.map((spec) => plane.listen(spec, accept, refused))
  return {
    close(queue, closed = () => {}) {
      let open = listenings.length
      for (const listening of listenings) listening.close(queue, () => --open === 0 && closed())
    },
    pause() {
      for (const listening of listenings) listening.pause()
    },
    resume() {
      for (const listening of listenings) listening.resume()
    },
  }
}
