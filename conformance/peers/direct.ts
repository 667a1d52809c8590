import type { Peer } from '../peer.ts'

/** No proxy: what two kernels do by themselves. It shows that a case asks for nothing that TCP does not give. */
export const direct: Peer = {
  name: 'direct',
  title: 'no proxy',
  mostEndpoints: 0,
  missing: () => null,
  version: () => 'clients dial the endpoint themselves',
  setup: () => ({ files: {}, command: ['sleep', '3600'], reload: null, stop: null }),
}
