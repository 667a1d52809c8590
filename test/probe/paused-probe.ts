import { socketAddress } from '../../src/core/address.ts'
import { probeHttp } from '../../src/probe/http.ts'

// A process of its own that probes once and says what it found: one that a test can stop.
const [, , port = '', timeoutMs = ''] = process.argv
const address = socketAddress('127.0.0.1', Number(port))
if (address === undefined) throw new Error(`${port}: not a port`)
const options = { secure: false, path: '/', status: [200], host: null }
const limits = { timeoutMs: Number(timeoutMs), signal: new AbortController().signal }
const verdict = await probeHttp({ address, header: null }, options, limits)
process.send?.(verdict, () => process.disconnect?.())
