import type { PlaneName } from '../../helpers/forwarder.ts'
import { scenes, type Traits } from '../scene.ts'
import { bytes } from './bytes.ts'
import { clientAddress } from './client-address.ts'
import { close } from './close.ts'
import { connect } from './connect.ts'
import { health } from './health.ts'
import { lifecycle } from './lifecycle.ts'
import { limits } from './limits.ts'
import { receivedHeader } from './preface.ts'
import { routes } from './routes.ts'
import { timeouts } from './timeouts.ts'
import { unix } from './unix.ts'
import { whoMayConnect } from './who-may-connect.ts'

/**
 * What users may rely on, case by case (the numbers are those of docs/contract.md), on real sockets. Each test starts a whole
 * program with `plane` in its worker threads, and ends with every gauge at zero and no descriptor left.
 */
export function contract(plane: PlaneName, traits: Traits): void {
  const scene = scenes(plane, traits)
  bytes(scene, traits)
  close(scene)
  timeouts(scene, plane, traits)
  connect(scene, plane, traits)
  limits(scene, plane, traits)
  health(scene, plane, traits)
  lifecycle(scene, plane, traits)
  clientAddress(scene)
  receivedHeader(scene)
  unix(scene, plane, traits)
  routes(scene)
  whoMayConnect(scene, plane)
}
