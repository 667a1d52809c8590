import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Preloaded into every thread of a program whose memory is asked about: collects garbage once a second, so that what is
// resident is what is held, not what has not been collected yet.
setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')
setInterval(collect, 1000).unref()
