import test, { registerCompletionHandler } from 'ava'

/**
 * What a failed test leaves open, threads and sockets, must not keep the process: AVA would wait for it until the whole run is
 * given up. A file whose tests passed ends by itself, or it has left something open.
 */
let hasFailed = false

test.afterEach.always('whether it has failed', (t) => {
  hasFailed ||= !t.passed
})
registerCompletionHandler(() => {
  if (hasFailed) process.exit()
})
