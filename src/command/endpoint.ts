import { type CommandOptions, change } from './client.ts'
import { exitCode } from './exit-code.ts'

export interface EndpointOptions extends CommandOptions {
  /** `POOL... ENDPOINT drain|ready`, as typed. */
  readonly args: readonly string[]
}

/**
 * `spliceway endpoint POOL... ENDPOINT drain|ready`: takes an endpoint out of use for new connections, in one
 * pool after the other, and back. A pool that cannot do it keeps no other from it.
 */
export async function endpoint(options: EndpointOptions): Promise<number> {
  const pools = options.args.slice(0, -2)
  const [address, action] = options.args.slice(-2)
  if (pools.length === 0 || address === undefined || !isAction(action)) {
    options.err.write(
      'usage: spliceway endpoint POOL... ENDPOINT drain|ready [--socket PATH]\n' +
        '  for example: spliceway endpoint web 10.0.0.5:9443 drain; "spliceway status" lists both names\n',
    )
    return exitCode.usage
  }
  let code: number = exitCode.ok
  for (const pool of pools) {
    const path = `/endpoints/${encodeURIComponent(pool)}/${encodeURIComponent(address)}/${action}`
    code = Math.max(code, await change(options, path))
  }
  return code
}

function isAction(text: string | undefined): text is 'drain' | 'ready' {
  return text === 'drain' || text === 'ready'
}
